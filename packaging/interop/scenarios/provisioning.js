'use strict';
// Scenario: the official provisioning SDKs. The service SDK manages enrollments; the device
// SDK registers devices, which then log in to the hub.

const crypto = require('crypto');
const fs = require('fs');
const { Client } = require('azure-iot-device');
const { Mqtt: DeviceMqtt } = require('azure-iot-device-mqtt');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { Mqtt, MqttWs } = require('azure-iot-provisioning-device-mqtt');
const { ProvisioningServiceClient } = require('azure-iot-provisioning-service');
const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key');
const { X509Security } = require('azure-iot-security-x509');
const { unwrap } = require('./hub');

module.exports = async (step, hub) => {
  const ca = fs.readFileSync(hub.caFile, 'utf8');
  const cert = fs.readFileSync(process.env.CERT_FILE, 'utf8');
  const key = fs.readFileSync(process.env.KEY_FILE, 'utf8');
  const scope = process.env.ID_SCOPE;
  const service = ProvisioningServiceClient.fromConnectionString(hub.connectionString);
  const plain = ({ responseBody }) => responseBody;

  const register = async (security, transport = new Mqtt()) => {
    transport.setTransportOptions({ ca });
    const host = transport instanceof MqttWs ? 'localhost' : `localhost:${hub.mqttPort}`;
    return ProvisioningDeviceClient.create(host, scope, transport, security).register();
  };
  const byKey = (id, secret, transport) => register(new SymmetricKeySecurityClient(id, secret), transport);
  const derive = (secret, id) => crypto.createHmac('sha256', Buffer.from(secret, 'base64')).update(id).digest('base64');
  // login connects to the assigned hub and returns the desired properties.
  const login = async ({ assignedHub, deviceId }, secret) => {
    const client = Client.fromConnectionString(`HostName=${assignedHub};DeviceId=${deviceId};${secret}`, DeviceMqtt);
    await client.setOptions(secret === 'x509=true' ? { ca, cert, key } : { ca });
    await client.open();
    const twin = await client.getTwin();
    await client.close();
    return twin.properties.desired;
  };
  const shown = ({ assignedHub, ...state }) => ({ ...state, hubIsHere: assignedHub === `localhost:${hub.mqttPort}` });

  let primaryKey;
  await step('individual enrollment', async () => plain(await service.createOrUpdateIndividualEnrollment({
    registrationId: 'one', deviceId: 'front-door', attestation: { type: 'symmetricKey' },
    initialTwin: { tags: { site: 'a' }, properties: { desired: { floor: 3 } } },
  })));
  await step('keys of the enrollment', async () => {
    const { type, symmetricKey } = plain(await service.getIndividualEnrollmentAttestationMechanism('one'));
    primaryKey = symmetricKey.primaryKey;
    return { type, bytes: Buffer.from(primaryKey, 'base64').length };
  });
  await step('the enrollment cannot be created again', () => service.createOrUpdateIndividualEnrollment({ registrationId: 'one', attestation: { type: 'symmetricKey' } }));
  await step('enrollment with an unknown attestation', () => service.createOrUpdateIndividualEnrollment({ registrationId: 'two', attestation: { type: 'tpm' } }));
  await step('unknown enrollment', () => service.getIndividualEnrollment('none'));

  await step('registration with a key, and login', async () => {
    const state = await byKey('one', primaryKey);
    return { state: shown(state), desired: await login(state, `SharedAccessKey=${primaryKey}`) };
  });
  await step('registered device', async () => {
    const twin = unwrap(await hub.registry.getTwin('front-door'));
    return { tags: twin.tags, authenticationType: twin.authenticationType };
  });
  await step('a second registration keeps the twin', async () => {
    await hub.registry.updateTwin('front-door', { tags: { site: 'b' } }, '*');
    const state = await byKey('one', primaryKey);
    return { substatus: state.substatus, tags: unwrap(await hub.registry.getTwin('front-door')).tags };
  });
  await step('registration over WebSocket', async () => (await byKey('one', primaryKey, new MqttWs())).deviceId);
  await step('wrong key', () => byKey('one', Buffer.from('wrong').toString('base64')));
  await step('unknown device', () => byKey('nobody', primaryKey));

  const groupKey = Buffer.from('a key of the whole group').toString('base64');
  await step('enrollment group', async () => plain(await service.createOrUpdateEnrollmentGroup({
    enrollmentGroupId: 'site', attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: groupKey, secondaryKey: groupKey } },
  })));
  await step('registration with a derived key, and login', async () => {
    const secret = derive(groupKey, 'back-door');
    const state = await byKey('back-door', secret);
    return { state: shown(state), desired: await login(state, `SharedAccessKey=${secret}`) };
  });
  await step("the group's own key", () => byKey('back-door', groupKey));
  await step('derived key of another device', () => byKey('back-door', derive(groupKey, 'side-door')));
  await step('disabled device of the group', async () => {
    await service.createOrUpdateIndividualEnrollment({
      registrationId: 'back-door', provisioningStatus: 'disabled', attestation: { type: 'symmetricKey' },
    });
    return byKey('back-door', derive(groupKey, 'back-door'));
  });

  await step('enrollment with a certificate', async () => {
    const { attestation } = plain(await service.createOrUpdateIndividualEnrollment({
      registrationId: 'by-certificate', attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: cert } } } },
    }));
    return attestation.x509.clientCertificates.primary.certificate === cert;
  });
  await step('registration with a certificate, and login', async () => {
    const state = await register(new X509Security('by-certificate', { cert, key }));
    return { state: shown(state), desired: await login(state, 'x509=true') };
  });
  await step('key instead of a certificate', () => byKey('by-certificate', primaryKey));

  await step('change with the etag', async () => {
    const enrollment = plain(await service.getIndividualEnrollment('one'));
    const changed = plain(await service.createOrUpdateIndividualEnrollment({ ...enrollment, provisioningStatus: 'disabled' }));
    return { status: changed.provisioningStatus, created: changed.createdDateTimeUtc === enrollment.createdDateTimeUtc, etag: changed.etag !== enrollment.etag };
  });
  await step('the change keeps the key', async () =>
    plain(await service.getIndividualEnrollmentAttestationMechanism('one')).symmetricKey.primaryKey === primaryKey);
  await step('disabled enrollment', () => byKey('one', primaryKey));
  await step('list in pages', async () => {
    const query = service.createIndividualEnrollmentQuery({ query: '*' }, 2);
    const ids = [];
    while (query.hasMoreResults) ids.push(unwrap(await query.next(query.continuationToken)).map((e) => e.registrationId));
    return ids;
  });
  await step('deleted enrollment', async () => {
    await service.deleteIndividualEnrollment('by-certificate');
    return register(new X509Security('by-certificate', { cert, key }));
  });
  await step('the device of the deleted enrollment stays', async () => unwrap(await hub.registry.get('by-certificate')).status);
};
