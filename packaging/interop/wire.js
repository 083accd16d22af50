'use strict';
// Calls each operation of the official service SDK that transport/rest has too. The hub
// under test records the requests and sends minimal answers. Prints one line of JSON:
//   {"made": [NAME...], "methods": ["Registry.create", ...], "scopes": [...]}
// made lists the names of the requests in order. methods lists all public methods of the
// SDK's clients, so that the test can check that none was forgotten. scopes lists the scopes
// for which the SDK requested tokens of Entra ID.
//
// Environment: HUB_CONNECTION_STRING, NODE_EXTRA_CA_CERTS, and HUB_HTTPS_PORT
// for port-shim.js.

require('./port-shim');
const { Client, JobClient, Registry } = require('azure-iothub');

const hub = process.env.HUB_CONNECTION_STRING;
const registry = Registry.fromConnectionString(hub);
const jobs = JobClient.fromConnectionString(hub);
const service = Client.fromConnectionString(hub);

const oddID = "dev'1;(x)*%!$";
const keys = { primaryKey: 'cA==', secondaryKey: 'cw==' };
const never = '0001-01-01T00:00:00Z';
const identity = {
  deviceId: 'd1', generationId: '638', etag: 'NDA0', connectionState: 'Disconnected', status: 'disabled', statusReason: 'stolen',
  connectionStateUpdatedTime: never, statusUpdatedTime: never, lastActivityTime: '2026-11-23T11:36:56.1263214Z', cloudToDeviceMessageCount: 0,
  authentication: { type: 'sas', symmetricKey: keys, x509Thumbprint: { primaryThumbprint: null, secondaryThumbprint: null } },
  capabilities: { iotEdge: false },
};
const prints = { primaryThumbprint: 'A'.repeat(40), secondaryThumbprint: 'B'.repeat(40) };
const start = new Date('2099-11-23T11:36:56.126Z');
const condition = "tags.floor > 3 AND tags.a < 'b&c'";
const lock = { methodName: 'lockDoor', payload: { reason: 'night' }, responseTimeoutInSeconds: 15 };
const patch = { tags: { a: 1 }, properties: { desired: { floor: null } } };

const made = [];
async function make(name, call) {
  made.push(name);
  await call();
}

// twoPages reads both pages of a query. The answer with the first page has a continuation.
async function twoPages(name, query) {
  await make(name, () => query.next());
  await make(name, () => query.next('the rest'));
}

async function main() {
  await make('create device', () => registry.create({ deviceId: oddID }));
  await make('create device, disabled', () => registry.create({ deviceId: 'd1', status: 'disabled' }));
  await make('create device, with keys', () => registry.create({ deviceId: 'd1', authentication: { symmetricKey: keys } }));
  await make('create device, with thumbprints', () => registry.create({ deviceId: 'd1', authentication: { x509Thumbprint: prints } }));
  await make('get device', () => registry.get(oddID));
  await make('list devices', () => registry.list());
  await make('update device', () => registry.update({ ...identity }));
  await make('delete device', () => registry.delete(oddID));
  await make('add devices', () => registry.addDevices([{ deviceId: 'b1', authentication: { type: 'sas', symmetricKey: keys } }, { deviceId: 'b2', status: 'disabled' }]));
  await make('update devices', () => registry.updateDevices([{ deviceId: 'b1', status: 'enabled' }], true));
  await make('update devices, by etag', () => registry.updateDevices([{ deviceId: 'b1', etag: 'e1', status: 'enabled' }], false));
  await make('statistics', () => registry.getRegistryStatistics());

  await make('get twin', () => registry.getTwin(oddID));
  await make('update twin', () => registry.updateTwin(oddID, patch, '*'));
  await make('update twin, by etag', () => registry.updateTwin('d1', patch, 'MC40NDQ3MjMz'));
  await twoPages('query', registry.createQuery("SELECT * FROM devices WHERE tags.a < 'b&c'", 1000));

  await make('invoke method', () => service.invokeDeviceMethod(oddID, { methodName: 'lockDoor', payload: { reason: '<&>' }, responseTimeoutInSeconds: 15, connectTimeoutInSeconds: 3 }));
  await make('invoke method, with defaults', () => service.invokeDeviceMethod('d1', { methodName: 'ping' }));

  await make('schedule method', () => jobs.scheduleDeviceMethod('job-1', condition, { ...lock }, start, 60));
  await make('schedule method, at once', () => jobs.scheduleDeviceMethod('job-1', '*', { methodName: 'ping', responseTimeoutInSeconds: 15 }));
  await make('schedule twin update', () => jobs.scheduleTwinUpdate('job-2', condition, { etag: '*', ...patch }, start, 3600));
  await make('get job', () => jobs.getJob('job-1'));
  await make('cancel job', () => jobs.cancelJob('job-1'));
  await twoPages('list jobs', jobs.createQuery('scheduleUpdateTwin', 'scheduled', 1000));
  await make('rows of a job', () => registry.createQuery("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'job-1'", 1000).next());

  const scopes = [];
  const credential = {
    getToken: async (scope) => {
      scopes.push(scope);
      return { token: 'a-token', expiresOnTimestamp: Date.now() + 3600000 };
    },
  };
  await make('get device, by Entra ID', () => Registry.fromTokenCredential('127.0.0.1', credential).get('d1'));

  const methods = Object.entries({ Registry, JobClient, Client }).flatMap(([name, client]) =>
    Object.getOwnPropertyNames(client.prototype).filter((m) => m !== 'constructor' && !m.startsWith('_')).map((m) => `${name}.${m}`));
  console.log(JSON.stringify({ made, methods, scopes }));
}

main().then(() => process.exit(0), (err) => {
  console.error(`after ${made.at(-1)}: ${err.stack} ${err.responseBody || ''}`);
  process.exit(1);
});
