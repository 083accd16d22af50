'use strict';
// Scenario: twins read and updated with the official service SDK, with and without etags.

const { unwrap } = require('./hub');

module.exports = async (step, hub) => {
  const { registry } = hub;
  await hub.create('d1');
  // A Twin object contains the registry's client, which is not part of the result.
  const plain = ({ _registry, ...twin }) => twin;
  let old;
  let twin;
  await step('new twin', async () => {
    old = twin = unwrap(await registry.getTwin('d1'));
    return plain(twin);
  });
  await step('update with its etag', async () => {
    const change = { tags: { building: '43', room: { floor: 3, door: 'a' } }, properties: { desired: { floor: 3, lamp: { on: true, hue: 7 } } } };
    twin = unwrap(await registry.updateTwin('d1', change, twin.etag));
    return plain(twin);
  });
  await step('update with an old etag', () => registry.updateTwin('d1', { tags: { building: '44' } }, old.etag));
  await step('the update with an old etag changed nothing', async () => {
    const now = unwrap(await registry.getTwin('d1'));
    return { etagIsTheSame: now.etag === twin.etag, building: now.tags.building };
  });
  await step('null removes a property', async () => {
    twin = unwrap(await registry.updateTwin('d1', { tags: { room: { door: null } }, properties: { desired: { floor: null, lamp: { hue: null } } } }, '*'));
    return plain(twin);
  });
  await step('a change of tags keeps the desired version', async () => {
    twin = unwrap(await registry.updateTwin('d1', { tags: { building: '45' } }, twin.etag));
    return { version: twin.version, desired: twin.properties.desired.$version };
  });
  await step('update with the twin object', async () => {
    const read = unwrap(await registry.getTwin('d1'));
    return unwrap(await read.update({ tags: { building: '46' } })).tags.building;
  });
  await step('quoted etag', async () => {
    const etag = unwrap(await registry.getTwin('d1')).etag;
    return unwrap(await registry.updateTwin('d1', { tags: { building: '47' } }, `"${etag}"`)).tags.building;
  });
  await step('a twin is read and written back', async () => {
    const read = unwrap(await registry.getTwin('d1'));
    const after = unwrap(await registry.updateTwin('d1', { tags: read.tags, properties: { desired: read.properties.desired } }, read.etag));
    return { tags: after.tags, lamp: after.properties.desired.lamp, etagIsNew: after.etag !== read.etag };
  });
  await step('unknown device', () => registry.getTwin('none'));
  await step('update of an unknown device', () => registry.updateTwin('none', { tags: { a: 1 } }, '*'));
  await step('tags that are not an object', () => registry.updateTwin('d1', { tags: 'x' }, '*'));
  await step('name with a dot', () => registry.updateTwin('d1', { tags: { 'a.b': 1 } }, '*'));
  await step('too large', () => registry.updateTwin('d1', { properties: { desired: { a: Array(12).fill('x'.repeat(4000)) } } }, '*'));
};
