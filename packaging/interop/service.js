'use strict';
// A service on the official service SDK. It schedules the well-known job
// tutorial's two jobs on the devices that are named as arguments, follows both
// to their end, and prints one JSON object: the jobs as the hub shows them at
// the end, their rows by device, and the twins before and after.
//
// Environment: HUB_CONNECTION_STRING, NODE_EXTRA_CA_CERTS, and HUB_HTTPS_PORT
// for port-shim.js. Ends with status 1 and the error if a call is refused.

require('./port-shim');
const { JobClient, Registry } = require('azure-iothub');
const { v4: uuid } = require('uuid');

const POLL_MS = 100;
const ENDED = ['completed', 'failed', 'cancelled'];

const hub = process.env.HUB_CONNECTION_STRING;
const devices = process.argv.slice(2);
const condition = `deviceId IN [${devices.map((id) => `'${id}'`).join(', ')}]`;
const jobs = JobClient.fromConnectionString(hub);
const registry = Registry.fromConnectionString(hub);

const method = { methodName: 'lockDoor', payload: null, responseTimeoutInSeconds: 15 };
const patch = { etag: '*', desired: { building: '43', floor: 3 } };

// The SDK's promises wrap what was asked for together with the HTTP response,
// each kind of call under another name.
const unwrap = (r) => r.responseBody || r.jobStatus || r.result;

async function ended(jobId) {
  for (;;) {
    const job = unwrap(await jobs.getJob(jobId));
    if (ENDED.includes(job.status)) return job;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function rows(jobId) {
  const query = registry.createQuery(`SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${jobId}'`, 2);
  const all = [];
  while (query.hasMoreResults) {
    all.push(...unwrap(await query.next(query.continuationToken)));
  }
  return all;
}

async function twins() {
  const all = {};
  for (const id of devices) {
    const twin = unwrap(await registry.getTwin(id));
    all[id] = { tags: twin.tags, properties: twin.properties };
  }
  return all;
}

async function main() {
  const before = await twins();
  const methodJob = uuid();
  const twinJob = uuid();
  const start = new Date();
  await Promise.all([
    jobs.scheduleDeviceMethod(methodJob, condition, method, start, 3600),
    jobs.scheduleTwinUpdate(twinJob, condition, patch, start, 3600),
  ]);
  const result = {
    method: await ended(methodJob),
    twin: await ended(twinJob),
    methodRows: await rows(methodJob),
    twinRows: await rows(twinJob),
    before,
    after: await twins(),
  };
  console.log(JSON.stringify(result));
}

main().then(() => process.exit(0), (err) => {
  console.error(`${err.name}: ${err.message} ${err.responseBody || ''}`);
  process.exit(1);
});
