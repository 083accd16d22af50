'use strict';
// Scenario: jobs of the official service SDK, from their creation to their end, and lists of
// jobs.

const { pages, unwrap, until } = require('./hub');

const HOUR = 3600;
const inMs = (ms) => new Date(Date.now() + ms);
const lock = { methodName: 'lockDoor', payload: { why: 'night' }, responseTimeoutInSeconds: 15 };
const patch = { etag: '*', tags: { checked: true }, properties: { desired: { floor: 3 } } };

module.exports = async (step, hub) => {
  const { jobs } = hub;
  const calls = [];
  let release;
  await hub.device('door', {
    lockDoor: (request, response) => {
      calls.push(Date.now());
      response.send(200, { locked: true });
    },
    wait: (request, response) => { release = () => response.send(200); },
  });
  await hub.create('shed');

  await step('a method job is created', async () =>
    unwrap(await jobs.scheduleDeviceMethod('lock', "deviceId = 'door'", lock, new Date(), HOUR)));
  await step('the method job ends', () => hub.ended('lock'));
  await step('a twin job is created', async () => unwrap(await jobs.scheduleTwinUpdate('move', '*', patch, new Date(), 60)));
  await step('the twin job ends', () => hub.ended('move'));
  await step('a job without devices ends', async () => {
    await jobs.scheduleDeviceMethod('nobody', "tags.floor = 99", lock);
    return hub.ended('nobody');
  });
  await step('a job with an offline device ends', async () => {
    await jobs.scheduleDeviceMethod('both', "deviceId IN ['door', 'shed']", lock, new Date(), HOUR);
    const job = await hub.ended('both');
    return { status: job.status, deviceJobStatistics: job.deviceJobStatistics };
  });

  await step('a job with a future start is scheduled', async () =>
    unwrap(await jobs.scheduleDeviceMethod('later', '*', lock, inMs(HOUR * 1000), HOUR)));
  await step('a scheduled job is cancelled', async () => unwrap(await jobs.cancelJob('later')));
  await step('the cancelled job stays cancelled', async () => unwrap(await jobs.getJob('later')).status);
  await step('a cancelled job cannot be cancelled again', () => jobs.cancelJob('later'));

  await step('a scheduled job starts at its time', async () => {
    const start = inMs(1500);
    const before = calls.length;
    const made = unwrap(await jobs.scheduleDeviceMethod('soon', "deviceId = 'door'", lock, start, HOUR));
    const job = await hub.ended('soon');
    const sent = start.toISOString() === new Date(job.startTime).toISOString();
    return { made: made.status, ended: job.status, startTimeAsSent: sent, calls: calls.length - before, calledEarly: calls[before] < start.getTime() };
  });

  await step('a running job cannot be cancelled', async () => {
    await jobs.scheduleDeviceMethod('wait', "deviceId = 'door'", { methodName: 'wait' }, new Date(), HOUR);
    await until(() => release);
    await jobs.cancelJob('wait');
  });
  await step('the running job is listed as running', async () => {
    const job = unwrap(await jobs.getJob('wait'));
    return { status: job.status, endTime: job.endTime, deviceJobStatistics: job.deviceJobStatistics };
  });
  await step('the running job completes', async () => {
    release();
    return (await hub.ended('wait')).status;
  });
  await step('an ended job cannot be cancelled', () => jobs.cancelJob('wait'));

  await step('condition with a syntax error', () => jobs.scheduleDeviceMethod('bad', "tags.floor = = 3", lock));
  await step('condition that is a whole SELECT', () => jobs.scheduleTwinUpdate('bad', "SELECT * FROM devices WHERE tags.floor = 3", patch));
  await step('condition with an unterminated string', () => jobs.scheduleTwinUpdate('bad', "deviceId = 'door", patch));
  await step('twin job without a change', () => jobs.scheduleTwinUpdate('bad', '*', { etag: '*' }));
  await step('no refused job was created', () => jobs.getJob('bad'));
  await step('id in use', () => jobs.scheduleDeviceMethod('lock', '*', lock));
  await step('invalid id', () => jobs.scheduleDeviceMethod('a job', '*', lock));
  await step('unknown id', () => jobs.getJob('never-made'));
  await step('cancel of an unknown id', () => jobs.cancelJob('never-made'));

  for (let i = 1; i <= 5; i++) await jobs.scheduleTwinUpdate(`plan-${i}`, '*', patch, inMs(HOUR * 1000), HOUR);
  const ids = async (query) => (await pages(query)).map((page) => page.map((job) => job.jobId));
  await step('list by type and status, in pages', () => ids(jobs.createQuery('scheduleUpdateTwin', 'scheduled', 2)));
  await step('list whose last page is full', () => ids(jobs.createQuery('scheduleUpdateTwin', 'scheduled', 5)));
  await step('list by type', () => ids(jobs.createQuery('scheduleDeviceMethod')));
  await step('list by status', () => ids(jobs.createQuery(undefined, 'cancelled')));
  await step('list of all', () => ids(jobs.createQuery(undefined, undefined, 4)));
  await step('empty list', () => ids(jobs.createQuery('scheduleUpdateTwin', 'failed')));
  await step('a listed job equals the job', async () => {
    const [[job]] = await pages(jobs.createQuery('scheduleUpdateTwin', 'completed'));
    return JSON.stringify(job) === JSON.stringify(unwrap(await jobs.getJob('move')));
  });
  await step('forged continuation', () => jobs.createQuery('scheduleUpdateTwin').next('forged'));
};
