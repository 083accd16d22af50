'use strict';
// Scenario: devices that log in with a certificate, over WebSocket, or both.

const fs = require('fs');
const { X509Certificate } = require('crypto');
const { MqttWs } = require('azure-iot-device-mqtt');
const { unwrap } = require('./hub');

module.exports = async (step, hub) => {
  const cert = fs.readFileSync(process.env.CERT_FILE, 'utf8');
  const key = fs.readFileSync(process.env.KEY_FILE, 'utf8');
  const thumbprint = new X509Certificate(cert).fingerprint256.replaceAll(':', '');
  const register = (deviceId, x509Thumbprint) => hub.registry.create({
    deviceId, authentication: { type: 'selfSigned', x509Thumbprint },
  });
  await register('first', { primaryThumbprint: thumbprint });
  await register('second', { primaryThumbprint: '0'.repeat(64), secondaryThumbprint: thumbprint.toLowerCase() });
  await register('other', { primaryThumbprint: '0'.repeat(64) });

  const byCertificate = (id, options) =>
    hub.client(`HostName=localhost:${hub.mqttPort};DeviceId=${id};x509=true`, { cert, key, ...options });
  const open = async (client) => {
    const result = await client.open();
    await client.close();
    return result.constructor.name;
  };
  await step('primary certificate', async () => open(await byCertificate('first')));
  await step('secondary certificate', async () => open(await byCertificate('second')));
  await step('wrong certificate', async () => open(await byCertificate('other')));
  await step('identity with a thumbprint', async () => {
    const { type, symmetricKey, x509Thumbprint } = unwrap(await hub.registry.get('first')).authentication;
    return { type, symmetricKey, known: x509Thumbprint.primaryThumbprint === thumbprint };
  });

  const vouched = {
    cert: fs.readFileSync(process.env.VOUCHED_CERT_FILE, 'utf8'), key: fs.readFileSync(process.env.VOUCHED_KEY_FILE, 'utf8'),
  };
  for (const deviceId of ['vouched', 'unlike']) {
    await hub.registry.create({ deviceId, authentication: { type: 'certificateAuthority' } });
  }
  await step('certificate signed by a trusted CA', async () => open(await byCertificate('vouched', vouched)));
  await step('the same certificate for another device', async () => open(await byCertificate('unlike', vouched)));
  await step('certificate without a trusted CA', async () => open(await byCertificate('unlike')));
  await step('identity with a trusted CA', async () => {
    const { type, symmetricKey, x509Thumbprint } = unwrap(await hub.registry.get('vouched')).authentication;
    return { type, symmetricKey, x509Thumbprint };
  });

  const { primaryKey } = (await hub.create('socket')).authentication.symmetricKey;
  const overSocket = (rest, options) => hub.client(`HostName=localhost;${rest}`, options, MqttWs);
  await step('WebSocket', async () => {
    const client = await overSocket(`DeviceId=socket;SharedAccessKey=${primaryKey}`);
    await client.open();
    client.onDeviceMethod('echo', (request, response) => response.send(200, request.payload));
    const twin = await client.getTwin();
    const answer = unwrap(await hub.service.invokeDeviceMethod('socket', { methodName: 'echo', payload: 'x'.repeat(10) }));
    await client.close();
    return { answer, desired: twin.properties.desired };
  });
  await step('WebSocket with a wrong key', async () =>
    open(await overSocket(`DeviceId=socket;SharedAccessKey=${Buffer.from('wrong').toString('base64')}`)));
  await step('WebSocket with a certificate', async () => open(await overSocket('DeviceId=first;x509=true', { cert, key })));
};
