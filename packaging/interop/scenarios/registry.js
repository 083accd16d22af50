'use strict';
// Scenario: device identities managed with the official service SDK, and the effect of a
// change on a connected device.

const { lost, unwrap } = require('./hub');

module.exports = async (step, hub) => {
  const { registry } = hub;
  const keys = { primaryKey: 'cHJpbWFyeS1wcmltYXJ5LXByaW1hcnk=', secondaryKey: 'c2Vjb25kYXJ5LXNlY29uZGFyeS1zZWM=' };
  const id = "dev1%_*?!(),:;=@$'";
  await step('create', async () => unwrap(await registry.create({ deviceId: 'd1', status: 'disabled', statusReason: 'not mounted' })));
  await step('create with an odd id', async () => unwrap(await registry.create({ deviceId: id })).deviceId);
  await step('get with an odd id', async () => unwrap(await registry.get(id)).deviceId);
  await step('create with keys', async () => {
    await registry.create({ deviceId: 'd2', authentication: { symmetricKey: keys } });
    const stored = unwrap(await registry.get('d2')).authentication;
    return { type: stored.type, kept: JSON.stringify(stored.symmetricKey) === JSON.stringify(keys) };
  });
  await step('create again', () => registry.create({ deviceId: 'd1' }));
  await step('create with an invalid id', () => registry.create({ deviceId: 'a b' }));
  await step('get', async () => unwrap(await registry.get('d1')));
  await step('get unknown', () => registry.get('none'));
  await step('update', async () => {
    const before = unwrap(await registry.get('d1'));
    const after = unwrap(await registry.update({ deviceId: 'd1', status: 'enabled', statusReason: 'mounted' }));
    return {
      status: after.status, statusReason: after.statusReason, etagIsNew: before.etag !== after.etag,
      keysKept: JSON.stringify(before.authentication) === JSON.stringify(after.authentication),
      generationKept: before.generationId === after.generationId,
    };
  });
  await step('update unknown', () => registry.update({ deviceId: 'none', status: 'enabled' }));

  // cutOff makes a change that disconnects the client, and returns the SDK's error.
  const cutOff = async (client, change) => {
    const how = lost(client);
    await change();
    return how;
  };
  const { client, key } = await hub.device('live', {});
  await hub.connected('live');
  await step('disabling a device disconnects it', async () => {
    const identity = unwrap(await registry.get('live'));
    const how = await cutOff(client, () => registry.update({ ...identity, status: 'disabled' }));
    await hub.connected('live', 'Disconnected');
    return how;
  });
  await step('the disabled device cannot connect', async () => (await hub.client(hub.deviceString('live', key))).open());
  await step('the enabled device can connect', async () => {
    await registry.update({ deviceId: 'live', status: 'enabled' });
    await client.open();
    await hub.connected('live');
  });
  await step('changing the keys of a device disconnects it', () => cutOff(client, () => registry.update({
    deviceId: 'live', authentication: { type: 'sas', symmetricKey: keys },
  })));
  await step('a device with a listener reconnects by itself after it is enabled', async () => {
    await hub.device('loyal', { m: (request, response) => response.send(200) });
    await hub.connected('loyal');
    await registry.update({ deviceId: 'loyal', status: 'disabled' });
    await hub.connected('loyal', 'Disconnected');
    await registry.update({ deviceId: 'loyal', status: 'enabled' });
    const call = { methodName: 'm', responseTimeoutInSeconds: 30, connectTimeoutInSeconds: 30 };
    return unwrap(await hub.service.invokeDeviceMethod('loyal', call)).status;
  });

  await step('statistics', async () => unwrap(await registry.getRegistryStatistics()));
  await step('list', async () => unwrap(await registry.list()).map((d) => [d.deviceId, d.status]));
  await step('a listed device equals the device', async () => {
    const listed = unwrap(await registry.list()).find((d) => d.deviceId === 'd1');
    return JSON.stringify(listed) === JSON.stringify(unwrap(await registry.get('d1')));
  });

  await step('add devices', async () => unwrap(await registry.addDevices([{ deviceId: 'b1' }, { deviceId: 'b2', status: 'disabled' }])));
  let refusal;
  await step('add devices, one of which exists', () =>
    registry.addDevices([{ deviceId: 'b3' }, { deviceId: 'b1' }, { deviceId: 'b4' }]).catch((err) => {
      refusal = err;
      throw err;
    }));
  await step('body of the error answer', () => JSON.parse(refusal.responseBody));
  await step('add devices, one of them twice', () => registry.addDevices([{ deviceId: 'b5' }, { deviceId: 'b5' }]));
  await step('add a device with a twin', async () => {
    await registry.addDevices([{ deviceId: 'b6', tags: { floor: 3 }, properties: { desired: { mode: 'night' } } }]);
    const twin = unwrap(await registry.getTwin('b6'));
    return { tags: twin.tags, mode: twin.properties.desired.mode };
  });
  await step('update devices', async () => {
    const result = unwrap(await registry.updateDevices([{ deviceId: 'b1', status: 'disabled' }, { deviceId: 'b2', status: 'enabled' }], true));
    return [result, unwrap(await registry.get('b1')).status, unwrap(await registry.get('b2')).status];
  });
  await step('update devices, unforced, with an old etag', () =>
    registry.updateDevices([{ deviceId: 'b1', status: 'enabled', etag: 'b2xk' }], false));
  await step('update devices, unforced, with the etag', async () =>
    unwrap(await registry.updateDevices([{ ...unwrap(await registry.get('b1')), status: 'enabled' }], false)));
  await step('remove devices', async () => unwrap(await registry.removeDevices([{ deviceId: 'b1' }, { deviceId: 'b2' }, { deviceId: 'b3' }], true)));
  await step('remove devices, unforced, with an old etag', () => registry.removeDevices([{ deviceId: 'b4', etag: 'b2xk' }], false));
  await step('delete', async () => {
    await registry.delete('b4');
    await registry.get('b4');
  });
  await step('delete unknown', () => registry.delete('b4'));
  await step('deleting a device disconnects it', async () => {
    const gone = await hub.device('gone', {});
    return cutOff(gone.client, () => registry.delete('gone'));
  });
  await step('a device that is created again has a new generation and an empty twin', async () => {
    const first = unwrap(await registry.create({ deviceId: 'again' }));
    await registry.updateTwin('again', { tags: { a: 1 } }, '*');
    await registry.delete('again');
    const second = unwrap(await registry.create({ deviceId: 'again' }));
    return { sameGeneration: first.generationId === second.generationId, tags: unwrap(await registry.getTwin('again')).tags };
  });
  await step('statistics at the end', async () => unwrap(await registry.getRegistryStatistics()));
};
