'use strict';
// Clients of one hub and functions that wait, shared by the scenarios.

const { Client: DeviceClient } = require('azure-iot-device');
const { NoRetry, SharedAccessSignature, encodeUriComponentStrict } = require('azure-iot-common');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Client, JobClient, Registry } = require('azure-iothub');

const POLL_MS = 20;
const ENDED = ['completed', 'failed', 'cancelled'];

// unwrap returns the result of an SDK call. The SDK's promises return an object with the HTTP
// response and the result, whose name depends on the kind of call.
const unwrap = (r) => r.responseBody || r.jobStatus || r.result;

// until waits until check returns a truthy value, and returns that value.
async function until(check) {
  for (;;) {
    const found = await check();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

class Hub {
  constructor(env) {
    this.connectionString = env.HUB_CONNECTION_STRING;
    this.mqttPort = env.HUB_MQTT_PORT;
    this.caFile = env.CA_FILE;
    this.registry = Registry.fromConnectionString(this.connectionString);
    this.jobs = JobClient.fromConnectionString(this.connectionString);
    this.service = Client.fromConnectionString(this.connectionString);
  }

  // create registers a device that logs in with a key, and returns its identity.
  async create(deviceId) {
    return unwrap(await this.registry.create({ deviceId }));
  }

  // deviceString returns the connection string of a device. The SDK accepts a port only in
  // the gateway's name, to which it connects.
  deviceString(deviceId, key) {
    return `HostName=localhost;DeviceId=${deviceId};SharedAccessKey=${key};GatewayHostName=localhost:${this.mqttPort}`;
  }

  // signature returns a SharedAccessSignature of a device that expires after some seconds.
  signature(deviceId, key, seconds) {
    const scope = encodeUriComponentStrict(`localhost:${this.mqttPort}/devices/${deviceId}`);
    return SharedAccessSignature.create(scope, null, key, Math.floor(Date.now() / 1000) + seconds).toString();
  }

  // client returns a device client that is not connected yet.
  async client(connectionString, options = {}, transport = Mqtt) {
    const client = DeviceClient.fromConnectionString(connectionString, transport);
    await client.setOptions({ ca: this.caFile, ...options });
    return client;
  }

  // signed returns a device client that logs in with the given signature.
  async signed(signature) {
    const client = DeviceClient.fromSharedAccessSignature(signature, Mqtt);
    await client.setOptions({ ca: this.caFile });
    return client;
  }

  // device registers a device, connects it and installs handlers for its methods. The hub
  // handles packets in order, so all subscriptions are active when getTwin returns.
  async device(deviceId, handlers, options) {
    const identity = await this.create(deviceId);
    const key = identity.authentication.symmetricKey.primaryKey;
    const client = await this.client(this.deviceString(deviceId, key), options);
    await client.open();
    for (const [name, handler] of Object.entries(handlers)) client.onDeviceMethod(name, handler);
    const twin = await client.getTwin();
    return { client, twin, key };
  }

  // connected waits until the hub reports the given connection state for the device.
  connected(deviceId, state = 'Connected') {
    return until(async () => unwrap(await this.registry.get(deviceId)).connectionState === state);
  }

  // ended waits for the end of a job and returns it.
  ended(jobId) {
    return until(async () => {
      const job = unwrap(await this.jobs.getJob(jobId));
      return ENDED.includes(job.status) && job;
    });
  }
}

// lost waits until the client's connection is lost, and returns the name of the SDK's error.
// The default retry policy would hide the loss: with a listener the SDK connects again, and
// without one it does nothing.
async function lost(client) {
  client.setRetryPolicy(new NoRetry());
  const event = await new Promise((resolve) => client.once('disconnect', resolve));
  return event.transportObj.name;
}

// pages reads all pages of a query. With promises, the SDK requests the first page again
// unless it gets the continuation token.
async function pages(query) {
  const all = [];
  while (query.hasMoreResults) all.push(unwrap(await query.next(query.continuationToken)));
  return all;
}

module.exports = { Hub, lost, pages, unwrap, until };
