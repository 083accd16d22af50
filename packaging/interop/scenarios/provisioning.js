'use strict';
// The official provisioning SDKs: enrolments by the service's, registrations by
// the device's, and the login to the hub that follows.

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
  // What a device does with what it was told.
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
  await step('an enrolment of one device', async () => plain(await service.createOrUpdateIndividualEnrollment({
    registrationId: 'one', deviceId: 'front-door', attestation: { type: 'symmetricKey' },
    initialTwin: { tags: { site: 'a' }, properties: { desired: { floor: 3 } } },
  })));
  await step('its keys are an answer of their own', async () => {
    const { type, symmetricKey } = plain(await service.getIndividualEnrollmentAttestationMechanism('one'));
    primaryKey = symmetricKey.primaryKey;
    return { type, bytes: Buffer.from(primaryKey, 'base64').length };
  });
  await step('it cannot be made twice', () => service.createOrUpdateIndividualEnrollment({ registrationId: 'one', attestation: { type: 'symmetricKey' } }));
  await step('an enrolment without an attestation', () => service.createOrUpdateIndividualEnrollment({ registrationId: 'two', attestation: { type: 'tpm' } }));
  await step('an enrolment that is not there', () => service.getIndividualEnrollment('none'));

  await step('registration by key, and the login', async () => {
    const state = await byKey('one', primaryKey);
    return { state: shown(state), desired: await login(state, `SharedAccessKey=${primaryKey}`) };
  });
  await step('the device in the registry', async () => {
    const twin = unwrap(await hub.registry.getTwin('front-door'));
    return { tags: twin.tags, authenticationType: twin.authenticationType };
  });
  await step('registration again keeps the twin', async () => {
    await hub.registry.updateTwin('front-door', { tags: { site: 'b' } }, '*');
    const state = await byKey('one', primaryKey);
    return { substatus: state.substatus, tags: unwrap(await hub.registry.getTwin('front-door')).tags };
  });
  await step('registration by WebSocket', async () => (await byKey('one', primaryKey, new MqttWs())).deviceId);
  await step('a wrong key', () => byKey('one', Buffer.from('wrong').toString('base64')));
  await step('an unknown device', () => byKey('nobody', primaryKey));

  const groupKey = Buffer.from('a key of the whole group').toString('base64');
  await step('an enrolment of a group', async () => plain(await service.createOrUpdateEnrollmentGroup({
    enrollmentGroupId: 'site', attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: groupKey, secondaryKey: groupKey } },
  })));
  await step('registration by a derived key, and the login', async () => {
    const secret = derive(groupKey, 'back-door');
    const state = await byKey('back-door', secret);
    return { state: shown(state), desired: await login(state, `SharedAccessKey=${secret}`) };
  });
  await step("the group's key itself", () => byKey('back-door', groupKey));
  await step('the derived key of another device', () => byKey('back-door', derive(groupKey, 'side-door')));
  await step('a device of the group that is kept out', async () => {
    await service.createOrUpdateIndividualEnrollment({
      registrationId: 'back-door', provisioningStatus: 'disabled', attestation: { type: 'symmetricKey' },
    });
    return byKey('back-door', derive(groupKey, 'back-door'));
  });

  await step('an enrolment by certificate', async () => {
    const { attestation } = plain(await service.createOrUpdateIndividualEnrollment({
      registrationId: 'by-certificate', attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: cert } } } },
    }));
    return attestation.x509.clientCertificates.primary.certificate === cert;
  });
  await step('registration by certificate, and the login', async () => {
    const state = await register(new X509Security('by-certificate', { cert, key }));
    return { state: shown(state), desired: await login(state, 'x509=true') };
  });
  await step('a key where a certificate is asked for', () => byKey('by-certificate', primaryKey));

  await step('a change by its etag', async () => {
    const enrollment = plain(await service.getIndividualEnrollment('one'));
    const changed = plain(await service.createOrUpdateIndividualEnrollment({ ...enrollment, provisioningStatus: 'disabled' }));
    return { status: changed.provisioningStatus, created: changed.createdDateTimeUtc === enrollment.createdDateTimeUtc, etag: changed.etag !== enrollment.etag };
  });
  await step('its key is as it was', async () =>
    plain(await service.getIndividualEnrollmentAttestationMechanism('one')).symmetricKey.primaryKey === primaryKey);
  await step('a disabled enrolment', () => byKey('one', primaryKey));
  await step('the list', async () => {
    const query = service.createIndividualEnrollmentQuery({ query: '*' }, 2);
    const ids = [];
    while (query.hasMoreResults) ids.push(unwrap(await query.next(query.continuationToken)).map((e) => e.registrationId));
    return ids;
  });
  await step('a deleted enrolment', async () => {
    await service.deleteIndividualEnrollment('by-certificate');
    return register(new X509Security('by-certificate', { cert, key }));
  });
  await step('its device stays', async () => unwrap(await hub.registry.get('by-certificate')).status);
};
