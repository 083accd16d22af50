'use strict';
// A service with the official service SDK. It schedules the two jobs of Microsoft's tutorial
// on the devices given as arguments and waits for their end. Then it prints one JSON object
// with the ended jobs, their rows, and the twins before and after the jobs. If a call fails,
// it prints the error and exits with status 1.
//
// Environment: HUB_CONNECTION_STRING, NODE_EXTRA_CA_CERTS, and HUB_HTTPS_PORT for
// port-shim.js.

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

// unwrap returns the result of an SDK call. The SDK's promises return an object with the HTTP
// response and the result, whose name depends on the kind of call.
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
