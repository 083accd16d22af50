'use strict';
// Scenario: queries of the official service SDK, with pages, projections and rows of jobs.

const { isDeepStrictEqual } = require('util');
const { pages, unwrap } = require('./hub');

module.exports = async (step, hub) => {
  const { registry, jobs } = hub;
  await hub.device('door', {
    lockDoor: (request, response) => response.send(200, { locked: true }),
    jam: (request, response) => response.send(500, { error: { code: 'jammed' } }),
    bare: (request, response) => response.send(200),
  });
  const added = [1, 2, 3, 4, 5, 6].map((n) => `shed-${n}`);
  await registry.addDevices(added.map((deviceId) => ({ deviceId })));
  for (const [n, deviceId] of added.entries()) {
    await registry.updateTwin(deviceId, { tags: { floor: n % 2, name: `Shed ${n + 1}` }, properties: { desired: { mode: { day: n } } } }, '*');
  }
  await hub.connected('door');

  const ids = (all) => all.map((page) => page.map((row) => row.deviceId));
  await step('all devices in pages', async () => ids(await pages(registry.createQuery('SELECT * FROM devices', 3))));
  await step('last page is full', async () => ids(await pages(registry.createQuery("SELECT * FROM devices WHERE deviceId != 'door'", 3))));
  await step('pages with callbacks, which continue by themselves', async () => {
    const query = registry.createQuery('SELECT * FROM devices', 4);
    const all = [];
    const next = () => new Promise((resolve, reject) => query.next((err, rows) => (err ? reject(err) : resolve(rows))));
    while (query.hasMoreResults) all.push(await next());
    return ids(all);
  });
  await step('without a continuation the SDK reads page one again', async () => {
    const query = registry.createQuery('SELECT * FROM devices', 3);
    await query.next();
    return ids([unwrap(await query.next())]);
  });
  await step('rows as twins', async () => {
    const query = registry.createQuery("SELECT * FROM devices WHERE tags.floor = 1", 2);
    const [twin] = unwrap(await query.nextAsTwin());
    return { deviceId: twin.deviceId, tags: twin.tags, asGetTwin: isDeepStrictEqual(twin.toJSON(), unwrap(await registry.getTwin(twin.deviceId)).toJSON()) };
  });
  await step('kinds of rows', async () => {
    const kind = async (text) => (await registry.createQuery(text).next()).message.headers['x-ms-item-type'];
    return [await kind('SELECT * FROM devices'), await kind('SELECT deviceId FROM devices'), await kind('SELECT * FROM devices.jobs')];
  });

  const rows = async (text) => (await pages(registry.createQuery(text))).flat();
  await step('projection', () => rows("SELECT deviceId, tags.floor AS level, properties.desired.mode.day FROM devices WHERE tags.name = 'Shed 2'"));
  await step('projection of a missing property', () => rows("SELECT deviceId, tags.floor FROM devices WHERE deviceId = 'door'"));
  await step('count', () => rows('SELECT COUNT() AS devices FROM devices'));
  await step('groups', () => rows('SELECT tags.floor, COUNT() AS n FROM devices WHERE IS_DEFINED(tags.floor) GROUP BY tags.floor'));
  await step('aggregates', () => rows('SELECT SUM(tags.floor) AS sum, AVG(properties.desired.mode.day) AS avg, MIN(version) AS min, MAX(version) AS max FROM devices'));
  await step('top', async () => ids(await pages(registry.createQuery('SELECT TOP 4 * FROM devices', 3))));
  await step('connected', () => rows("SELECT deviceId, status, connectionState FROM devices WHERE connectionState = 'Connected'"));
  await step('syntax error', () => rows('SELECT * FROM devices WHERE tags.floor >'));
  await step('unknown collection', () => rows('SELECT * FROM doors'));
  await step('continuation of another query', async () => {
    const query = registry.createQuery('SELECT * FROM devices', 3);
    await query.next();
    return registry.createQuery("SELECT * FROM devices WHERE tags.floor = 1", 3).next(query.continuationToken);
  });

  const call = (methodName) => ({ methodName, responseTimeoutInSeconds: 5 });
  const both = "deviceId IN ['door', 'shed-1']";
  await jobs.scheduleDeviceMethod('lock', both, call('lockDoor'), new Date(), 60);
  await jobs.scheduleDeviceMethod('jam', "deviceId = 'door'", call('jam'), new Date(), 60);
  await jobs.scheduleDeviceMethod('bare', "deviceId = 'door'", call('bare'), new Date(), 60);
  await jobs.scheduleDeviceMethod('silent', "deviceId = 'door'", call('noSuchMethod'), new Date(), 60);
  await jobs.scheduleTwinUpdate('move', both, { etag: '*', tags: { floor: 7 } }, new Date(), 60);
  await jobs.scheduleTwinUpdate('late', both, { etag: '*', tags: { floor: 8 } }, new Date(Date.now() + 3600e3), 60);
  for (const id of ['lock', 'jam', 'bare', 'move', 'silent']) await hub.ended(id);
  const jobRows = (id) => rows(`SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${id}'`);
  await step('rows of a method job', () => jobRows('lock'));
  await step('row of a device that refused', async () => (await jobRows('jam')).map((row) => [row.status, row.outcome]));
  await step('row of a device that answered without a payload', async () => (await jobRows('bare')).map((row) => [row.status, row.outcome]));
  await step('row of a device that did not answer', async () => (await jobRows('silent')).map((row) => [row.status, row.outcome, row.error]));
  await step('rows of a twin job', () => jobRows('move'));
  await step('a job that has not started has no rows', () => jobRows('late'));
  await step('the times of a row are in order', async () => {
    const [row] = await jobRows('lock');
    const times = [row.createdDateTimeUtc, row.startTimeUtc, row.endTimeUtc, row.lastUpdatedDateTimeUtc].map((t) => Date.parse(t));
    return times.every((t, i) => t > Date.now() - 60e3 && (i === 0 || t >= times[i - 1]));
  });
  await step('rows of all jobs in pages', async () =>
    (await pages(registry.createQuery('SELECT * FROM devices.jobs', 3))).map((page) => page.map((row) => `${row.jobId} ${row.deviceId}`)));
  await step('rows by status', async () => (await rows("SELECT * FROM devices.jobs WHERE devices.jobs.status = 'failed'")).map((row) => `${row.jobId} ${row.deviceId}`));
  await step('rows by device', async () =>
    (await rows("SELECT * FROM devices.jobs WHERE devices.jobs.deviceId = 'shed-1' AND devices.jobs.jobType = 'scheduleUpdateTwin'")).map((row) => row.jobId));
};
