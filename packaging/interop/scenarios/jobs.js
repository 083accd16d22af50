'use strict';
// Jobs by the official service SDK, from their start to their end, and the list
// of them.

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

  await step('method job is made', async () =>
    unwrap(await jobs.scheduleDeviceMethod('lock', "deviceId = 'door'", lock, new Date(), HOUR)));
  await step('method job ends', () => hub.ended('lock'));
  await step('twin job is made', async () => unwrap(await jobs.scheduleTwinUpdate('move', '*', patch, new Date(), 60)));
  await step('twin job ends', () => hub.ended('move'));
  await step('job for nobody ends', async () => {
    await jobs.scheduleDeviceMethod('nobody', "tags.floor = 99", lock);
    return hub.ended('nobody');
  });
  await step('job with a device that is offline ends', async () => {
    await jobs.scheduleDeviceMethod('both', "deviceId IN ['door', 'shed']", lock, new Date(), HOUR);
    const job = await hub.ended('both');
    return { status: job.status, deviceJobStatistics: job.deviceJobStatistics };
  });

  await step('job with a start in the future is scheduled', async () =>
    unwrap(await jobs.scheduleDeviceMethod('later', '*', lock, inMs(HOUR * 1000), HOUR)));
  await step('a scheduled job is cancelled', async () => unwrap(await jobs.cancelJob('later')));
  await step('it stays cancelled', async () => unwrap(await jobs.getJob('later')).status);
  await step('it cannot be cancelled again', () => jobs.cancelJob('later'));

  await step('a start that comes', async () => {
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
  await step('the running job is shown', async () => {
    const job = unwrap(await jobs.getJob('wait'));
    return { status: job.status, endTime: job.endTime, deviceJobStatistics: job.deviceJobStatistics };
  });
  await step('and ends well', async () => {
    release();
    return (await hub.ended('wait')).status;
  });
  await step('an ended job cannot be cancelled', () => jobs.cancelJob('wait'));

  await step('condition with a fault', () => jobs.scheduleDeviceMethod('bad', "tags.floor = = 3", lock));
  await step('condition that is a whole SELECT', () => jobs.scheduleTwinUpdate('bad', "SELECT * FROM devices WHERE tags.floor = 3", patch));
  await step('condition with a text that does not end', () => jobs.scheduleTwinUpdate('bad', "deviceId = 'door", patch));
  await step('twin job without a change', () => jobs.scheduleTwinUpdate('bad', '*', { etag: '*' }));
  await step('none of these was made', () => jobs.getJob('bad'));
  await step('id in use', () => jobs.scheduleDeviceMethod('lock', '*', lock));
  await step('id that no job can have', () => jobs.scheduleDeviceMethod('a job', '*', lock));
  await step('unknown id', () => jobs.getJob('never-made'));
  await step('cancel of an unknown id', () => jobs.cancelJob('never-made'));

  for (let i = 1; i <= 5; i++) await jobs.scheduleTwinUpdate(`plan-${i}`, '*', patch, inMs(HOUR * 1000), HOUR);
  const ids = async (query) => (await pages(query)).map((page) => page.map((job) => job.jobId));
  await step('list by type and status, in pages', () => ids(jobs.createQuery('scheduleUpdateTwin', 'scheduled', 2)));
  await step('list whose last page is full', () => ids(jobs.createQuery('scheduleUpdateTwin', 'scheduled', 5)));
  await step('list by type', () => ids(jobs.createQuery('scheduleDeviceMethod')));
  await step('list by status', () => ids(jobs.createQuery(undefined, 'cancelled')));
  await step('list of all', () => ids(jobs.createQuery(undefined, undefined, 4)));
  await step('list of nothing', () => ids(jobs.createQuery('scheduleUpdateTwin', 'failed')));
  await step('a listed job is the job', async () => {
    const [[job]] = await pages(jobs.createQuery('scheduleUpdateTwin', 'completed'));
    return JSON.stringify(job) === JSON.stringify(unwrap(await jobs.getJob('move')));
  });
  await step('a continuation that the hub did not give', () => jobs.createQuery('scheduleUpdateTwin').next('forged'));
};
