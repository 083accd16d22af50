'use strict';
// Scenario: the official service SDK on a hub with the limits of one unit of tier S1.

const { unwrap, until } = require('./hub');

// patiently repeats a throttled call after the time in the answer's Retry-After header.
async function patiently(call) {
  for (;;) {
    try {
      return await call();
    } catch (err) {
      const seconds = err.response && err.response.statusCode === 429 && Number(err.response.headers['retry-after']);
      if (!seconds) throw err;
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
}

// refused repeats a call until the hub refuses it. It returns the error, and whether the
// number of accepted calls was about the allowed number. The hub accepts more than that,
// because time passes meanwhile.
async function refused(allowed, call) {
  for (let n = 0; ; n += 1) {
    try {
      await call();
    } catch (err) {
      const { statusCode, headers } = err.response;
      return {
        error: err.name, status: statusCode, code: headers['iothub-errorcode'],
        retryAfter: Number(headers['retry-after']) > 0, between: n > allowed - 5 && n < 2 * allowed ? `about ${allowed}` : n,
      };
    }
  }
}

module.exports = async (step, hub) => {
  const { registry, jobs } = hub;
  const { client } = await hub.device('door', {
    echo: (request, response) => response.send(200, request.payload),
    wait: () => {}, // never answers
  });
  const method = (id, methodName) => jobs.scheduleDeviceMethod(id, "deviceId = 'door'",
    { methodName, payload: null, responseTimeoutInSeconds: 5 }, new Date(), 60);

  await step('a job while another job is active', async () => {
    await method('first', 'wait');
    return method('second', 'echo');
  });
  await step('a job after the other job has ended', async () => {
    const ended = (id) => until(async () => {
      const job = unwrap(await patiently(() => jobs.getJob(id)));
      return job.endTime && job;
    });
    await ended('first');
    await patiently(() => method('second', 'echo'));
    return (await ended('second')).deviceJobStatistics;
  });
  await step('queries', () => refused(20, () => registry.createQuery('SELECT deviceId FROM devices', 1).next()));
  await step('identities', () => refused(100, () => registry.get('door')));
  await step('twins have their own rate', async () => unwrap(await registry.getTwin('door')).deviceId);
  await client.close();
};
