// Package iothub is the vocabulary that the device side, the service side and
// the embedded hub share: connection strings, shared access signatures, MQTT
// topics and user names, twins, direct methods, jobs and error codes, each as
// Azure IoT Hub has it on the wire.
//
// The package does no I/O and keeps no state. Everything in it is a value or a
// pure function, so that both ends of a link are held to one reading of the
// protocol. Parsers reject what they do not understand with an error that names
// the part at fault and never quotes a secret.
package iothub
