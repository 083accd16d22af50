// Package throttle bounds what clients may ask of the hub, as the tiers of IoT
// Hub do, so that a job or a rollout can be rehearsed as it will go in the cloud.
//
// Rates are those of Azure's page "IoT Hub quotas and throttling" (2023). Each is
// a bucket that holds a minute's worth: who asks for more than the rate is served
// until the minute's worth is used up, as IoT Hub does for bursts, and is then
// refused with 429 ThrottlingException and told when to come again. Two things
// are not refused but slowed down: messages of devices, for a while, and the
// devices that jobs work on.
//
// Not bounded are the number of messages a day, of devices, and what latchhub
// adds of its own.
package throttle
