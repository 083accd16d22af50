'use strict';
// Scenario: the official device SDK. It covers logins, messages, the twin, and the renewal
// of tokens, after which the SDK does not subscribe again.

const { Message } = require('azure-iot-device');
const mqtt = require('mqtt');
const { lost, unwrap, until } = require('./hub');

// The number of successful logins of the SDK's MQTT clients, and all topics to which they
// have subscribed.
let logins = 0;
const subscribed = [];
const { connect } = mqtt;
mqtt.connect = (...args) => {
  const client = connect(...args);
  client.on('packetreceive', (packet) => { if (packet.cmd === 'connack' && packet.returnCode === 0) logins += 1; });
  client.on('packetsend', (packet) => { if (packet.cmd === 'subscribe') subscribed.push(...packet.subscriptions.map((s) => s.topic)); });
  return client;
};

module.exports = async (step, hub) => {
  const { registry, service } = hub;
  const { primaryKey: key } = (await hub.create('d1')).authentication.symmetricKey;
  const wrong = Buffer.from('wrong').toString('base64');
  await registry.create({ deviceId: 'off', status: 'disabled' });
  const off = unwrap(await registry.get('off')).authentication.symmetricKey.primaryKey;

  const open = async (client) => {
    const result = await client.open();
    await client.close();
    return result.constructor.name;
  };
  await step('valid key', async () => open(await hub.client(hub.deviceString('d1', key))));
  await step('wrong key', async () => open(await hub.client(hub.deviceString('d1', wrong))));
  await step('key of another device', async () => open(await hub.client(hub.deviceString('d1', off))));
  await step('unknown device', async () => open(await hub.client(hub.deviceString('none', key))));
  await step('disabled device', async () => open(await hub.client(hub.deviceString('off', off))));
  await step('valid signature', async () => open(await hub.signed(hub.signature('d1', key, 60))));
  await step('expired signature', async () => open(await hub.signed(hub.signature('d1', key, -10))));
  await step('the connection ends when the signature expires', async () => {
    const ends = Math.floor(Date.now() / 1000) + 2;
    const client = await hub.signed(hub.signature('d1', key, 2));
    await client.open();
    const how = await lost(client);
    return { how, early: Date.now() < ends * 1000 };
  });

  const { client, twin } = await hub.device('d2', { echo: (request, response) => response.send(200, request.payload) });
  await step('message', async () => {
    const message = new Message(JSON.stringify({ temperature: 21 }));
    message.messageId = 'm 1';
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.properties.add('a b', 'c&d/é');
    return (await client.sendEvent(message)).constructor.name;
  });
  await step('empty message', async () => (await client.sendEvent(new Message(''))).constructor.name);
  await step('new twin', () => twin.properties);

  const patches = [];
  twin.on('properties.desired', (patch) => patches.push(patch));
  await twin.get();
  const serviceTwin = async () => unwrap(await registry.getTwin('d2'));
  await step('the device receives a patch', async () => {
    const n = patches.length;
    await registry.updateTwin('d2', { properties: { desired: { floor: 3, lamp: { on: true } } } }, '*');
    await until(() => patches.length > n);
    return patches.slice(n);
  });
  await step('a removed property arrives as null', async () => {
    const n = patches.length;
    await registry.updateTwin('d2', { properties: { desired: { floor: null, mode: 'x' } } }, '*');
    await until(() => patches.length > n);
    return { patch: patches.slice(n), desired: twin.properties.desired };
  });
  await step('a change of tags sends no patch', async () => {
    const n = patches.length;
    await registry.updateTwin('d2', { tags: { a: 1 } }, '*');
    await registry.updateTwin('d2', { properties: { desired: { mode: 'y' } } }, '*');
    await until(() => patches.length > n);
    return patches.slice(n);
  });

  const report = (patch) => new Promise((resolve, reject) => twin.properties.reported.update(patch, (err) => (err ? reject(err) : resolve())));
  await step('report', async () => {
    await report({ lock: { position: 'locked', tries: 2 }, mode: 'x' });
    const { $metadata, ...reported } = (await serviceTwin()).properties.reported;
    return { reported, metadata: $metadata };
  });
  await step('report that removes properties', async () => {
    await report({ mode: null, lock: { tries: null } });
    const { $metadata, ...reported } = (await serviceTwin()).properties.reported;
    return { reported, metadata: $metadata };
  });
  await step('twin as the device reads it', async () => {
    await twin.get();
    return twin.properties;
  });
  await step('report that the hub refuses', () => report({ 'a.b': 1 }));
  await step('the refused report changed nothing', async () => (await serviceTwin()).properties.reported.$version);

  await step('everything works after a token renewal without SUBSCRIBE', async () => {
    const before = logins;
    const subscriptions = subscribed.length;
    // setOptions replaces all earlier options. Without ca, the SDK could not connect again.
    const renewal = (tokenRenewalMarginInSeconds) =>
      client.setOptions({ ca: hub.caFile, tokenRenewal: { tokenValidTimeInSeconds: 600, tokenRenewalMarginInSeconds } });
    // With this margin the SDK renews the token at once and then every second.
    await renewal(599);
    await until(() => logins >= before + 2);
    await renewal(60);
    await until(() => logins >= before + 3);
    await hub.connected('d2');
    const answer = unwrap(await service.invokeDeviceMethod('d2', { methodName: 'echo', payload: 'after', connectTimeoutInSeconds: 30 }));
    const n = patches.length;
    await registry.updateTwin('d2', { properties: { desired: { mode: 'after' } } }, '*');
    await until(() => patches.length > n);
    const got = patches.slice(n);
    await report({ mode: 'after' });
    await twin.get();
    return {
      answer, patches: got, mode: twin.properties.reported.mode,
      subscribedAgain: subscribed.slice(subscriptions),
    };
  });
  await step('all subscriptions that the device made', () => subscribed);
  await step('close', async () => {
    const result = await client.close();
    await hub.connected('d2', 'Disconnected');
    return result.constructor.name;
  });
};
