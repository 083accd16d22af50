'use strict';
// What the scenarios share: the SDKs' clients of one hub, and waiting.

const { Client: DeviceClient } = require('azure-iot-device');
const { NoRetry, SharedAccessSignature, encodeUriComponentStrict } = require('azure-iot-common');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Client, JobClient, Registry } = require('azure-iothub');

const POLL_MS = 20;
const ENDED = ['completed', 'failed', 'cancelled'];

// The SDK's promises wrap what was asked for together with the HTTP response,
// each kind of call under another name.
const unwrap = (r) => r.responseBody || r.jobStatus || r.result;

// until waits until check gives something that is true, and returns that.
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

  // create registers a device that logs in by key and returns its identity.
  async create(deviceId) {
    return unwrap(await this.registry.create({ deviceId }));
  }

  // deviceString is the connection string of a device. The SDK connects to the
  // gateway's name and signs the hub's, which is how a port is given to it.
  deviceString(deviceId, key) {
    return `HostName=localhost;DeviceId=${deviceId};SharedAccessKey=${key};GatewayHostName=localhost:${this.mqttPort}`;
  }

  // signature is a device's SharedAccessSignature that ends in some seconds.
  signature(deviceId, key, seconds) {
    const scope = encodeUriComponentStrict(`localhost:${this.mqttPort}/devices/${deviceId}`);
    return SharedAccessSignature.create(scope, null, key, Math.floor(Date.now() / 1000) + seconds).toString();
  }

  async client(connectionString, options = {}, transport = Mqtt) {
    const client = DeviceClient.fromConnectionString(connectionString, transport);
    await client.setOptions({ ca: this.caFile, ...options });
    return client;
  }

  // signed is a client of a device that logs in by a signature made beforehand.
  async signed(signature) {
    const client = DeviceClient.fromSharedAccessSignature(signature, Mqtt);
    await client.setOptions({ ca: this.caFile });
    return client;
  }

  // device registers a device and connects it. handlers are its methods. The hub
  // takes packets in order: with the twin the subscriptions before are in force.
  async device(deviceId, handlers, options) {
    const identity = await this.create(deviceId);
    const key = identity.authentication.symmetricKey.primaryKey;
    const client = await this.client(this.deviceString(deviceId, key), options);
    await client.open();
    for (const [name, handler] of Object.entries(handlers)) client.onDeviceMethod(name, handler);
    const twin = await client.getTwin();
    return { client, twin, key };
  }

  // connected waits until the hub shows the device's connection so.
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

// lost waits until the client's connection is lost and returns the SDK's error.
// With its own policy the SDK would say nothing and connect again, or, without a
// listener, say nothing and do nothing.
async function lost(client) {
  client.setRetryPolicy(new NoRetry());
  const event = await new Promise((resolve) => client.once('disconnect', resolve));
  return event.transportObj.name;
}

// pages reads a query to its end. In promise mode the SDK asks for page one
// unless it is told where to go on.
async function pages(query) {
  const all = [];
  while (query.hasMoreResults) all.push(unwrap(await query.next(query.continuationToken)));
  return all;
}

module.exports = { Hub, lost, pages, unwrap, until };
