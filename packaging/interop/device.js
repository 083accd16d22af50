'use strict';
// A device on the official device SDK. It answers lockDoor as the well-known
// job tutorial does, follows its desired properties and reports what it has seen.
//
// Environment: DEVICE_CONNECTION_STRING, CA_FILE.
// Standard output, one line an event, each of the form WORD or WORD JSON:
//   ready              connected; methods and desired properties are subscribed
//   Locking Door!      lockDoor was called
//   method {...}       what it was called with
//   desired {...}      desired properties, whole or a change, as the SDK gives them
//   reported {...}     the hub has taken a report; {"seen": version} follows each of these
//   twin {...}         the twin, asked for by the command "twin"
//   lost               the SDK has given up the connection
//   reopened           it was told to connect again, and has
//   error {...}        what went wrong, and where
// Standard input, one command a line: twin | report JSON | quit

const readline = require('readline');
const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const REOPEN_MS = 100;

const say = (word, value) => console.log(value === undefined ? word : `${word} ${JSON.stringify(value)}`);
const fail = (at, err) => say('error', { at, message: err.message, name: err.name });

const client = Client.fromConnectionString(process.env.DEVICE_CONNECTION_STRING, Mqtt);

function onLockDoor(request, response) {
  // The tutorial sends a status and no payload.
  response.send(200, (err) => { if (err) fail('answer', err); });
  say('Locking Door!');
  say('method', { name: request.methodName, payload: request.payload, requestId: request.requestId });
}

function report(twin, patch) {
  twin.properties.reported.update(patch, (err) => (err ? fail('report', err) : say('reported', patch)));
}

function onCommand(twin, line) {
  const [command, ...rest] = line.split(' ');
  switch (command) {
    case 'twin':
      twin.get((err) => (err ? fail('twin', err) : say('twin', { desired: twin.properties.desired, reported: twin.properties.reported })));
      break;
    case 'report':
      report(twin, JSON.parse(rest.join(' ')));
      break;
    case 'quit':
      client.close(() => process.exit(0));
      break;
    default:
      fail('command', new Error(`unknown command ${command}`));
  }
}

// The SDK connects again by itself, but gives up if the hub refuses the
// connection, as it does while it is down. A device's program then opens the
// client again; handlers and subscriptions stay as they were.
function reopen() {
  client.open((err) => (err ? setTimeout(reopen, REOPEN_MS) : say('reopened')));
}

async function main() {
  await client.setOptions({ ca: process.env.CA_FILE });
  await client.open();
  client.on('disconnect', () => {
    say('lost');
    reopen();
  });
  client.onDeviceMethod('lockDoor', onLockDoor);
  const twin = await client.getTwin();
  twin.on('properties.desired', (patch) => {
    say('desired', patch);
    report(twin, { seen: patch.$version });
  });
  // The hub takes packets in order: with this answer the subscriptions before it are in force.
  await twin.get();
  say('ready');
  readline.createInterface({ input: process.stdin }).on('line', (line) => onCommand(twin, line));
}

main().catch((err) => {
  fail('start', err);
  process.exit(1);
});
