// Package throttle limits what clients may do with the hub. It applies the limits of an
// IoT Hub tier. So you can rehearse a job or a rollout at the speed that it will have in
// the cloud. Use [New], and call [Throttle.Take] before each operation.
//
// The rates are from Azure's page "IoT Hub quotas and throttling" (2023). Each kind of
// operation has a token bucket that holds one minute's worth of operations.
//
// Guarantees:
//   - Short bursts above the rate are allowed, as in IoT Hub, until the bucket is empty.
//   - An operation above the limit is refused with 429 ThrottlingException. The refusal
//     says how long the client should wait before it tries again.
//   - Device-to-cloud messages wait for up to 10 s before they are refused.
//   - A job that calls devices too fast is never refused; it waits. Its bucket holds one
//     second's worth of calls.
//
// There is no limit on the number of devices, on messages per day, or on requests that
// exist only in latchhub.
package throttle
