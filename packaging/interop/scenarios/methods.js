'use strict';
// Scenario: direct methods called with the official service SDK, and logins with keys and
// signatures of policies.

const { Client, Registry, SharedAccessSignature } = require('azure-iothub');
const { unwrap } = require('./hub');

module.exports = async (step, hub) => {
  const { service } = hub;
  const seen = { left: [], right: [] };
  const echo = (device) => (request, response) => {
    seen[device].push(request.payload);
    response.send(200, { device, got: request.payload });
  };
  await hub.device('left', {
    echo: echo('left'),
    refuse: (request, response) => response.send(409, { error: { code: 'busy' } }),
    bare: (request, response) => response.send(200),
    zero: (request, response) => response.send(200, 0),
  });
  await hub.device('right', { echo: echo('right') });
  const late = await hub.create('late');
  const call = async (id, methodName, payload, more) =>
    unwrap(await service.invokeDeviceMethod(id, { methodName, payload, responseTimeoutInSeconds: 5, ...more }));

  await step('answer with a payload', () => call('left', 'echo', { text: 'Türe zu; ünd?', n: 1.5, list: [null, true] }));
  await step('only the called device received the call', () => seen);
  for (const payload of [null, 0, false, '', 'text', [1]]) {
    await step(`payload ${JSON.stringify(payload)}`, () => call('left', 'echo', payload));
  }
  await step('no payload', () => call('left', 'echo', undefined));
  await step('a refusal by the device is an answer', () => call('left', 'refuse'));
  await step('answer without a payload', () => call('left', 'bare'));
  await step('answer with the payload 0', () => call('left', 'zero'));
  await step('number of calls of each device', () => [seen.left.length, seen.right.length]);

  await step('offline device', () => call('late', 'echo'));
  await step('body of the error answer', async () => {
    const err = await call('late', 'echo').catch((e) => e);
    const { trackingId, timestampUtc, ...rest } = JSON.parse(JSON.parse(err.responseBody).Message.replace(/^ErrorCode:\w+;/, ''));
    return rest;
  });
  await step('unknown device', () => call('none', 'echo'));
  await step('invalid response timeout', () => call('left', 'echo', null, { responseTimeoutInSeconds: 4 }));
  await step('device that connects within the connect timeout', async () => {
    const answer = call('late', 'echo', 1, { connectTimeoutInSeconds: 60 });
    const client = await hub.client(hub.deviceString('late', late.authentication.symmetricKey.primaryKey));
    await client.open();
    client.onDeviceMethod('echo', (request, response) => response.send(201, request.payload));
    return answer;
  });
  await step('device that does not answer', async () => {
    const start = Date.now();
    const err = await call('right', 'noSuchMethod').catch((e) => e);
    const seconds = (Date.now() - start) / 1000;
    err.message = `${err.message.replace(/^{.*"errorCode":(\d+).*"message":"([^"]*)".*$/, '$1 $2')}, ${seconds >= 4.9 && seconds < 10 ? 'in time' : seconds}`;
    throw err;
  });

  const policy = (name, key) => `HostName=localhost;SharedAccessKeyName=${name};SharedAccessKey=${key}`;
  const key = /SharedAccessKey=(.*)$/.exec(hub.connectionString)[1];
  const wrong = Buffer.from('wrong').toString('base64');
  const signature = (seconds) => SharedAccessSignature.create('localhost', 'iothubowner', key, Math.floor(Date.now() / 1000) + seconds).toString();
  await step('wrong key', () => Client.fromConnectionString(policy('iothubowner', wrong)).invokeDeviceMethod('left', { methodName: 'echo' }));
  await step('wrong key for the registry', () => Registry.fromConnectionString(policy('iothubowner', wrong)).list());
  await step('unknown policy', () => Registry.fromConnectionString(policy('nobody', key)).get('left'));
  await step('expired signature', () => Registry.fromSharedAccessSignature(signature(-10)).get('left'));
  await step('valid signature', async () => unwrap(await Registry.fromSharedAccessSignature(signature(60)).get('left')).deviceId);
};
