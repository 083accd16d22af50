// Package model holds the agent's IoT Plug and Play model, in DTDL version 2, for
// whoever builds on the twins: the desired properties that the agent follows, what
// it reports, its methods and its messages. The agent announces it as model id; a
// test holds the two together.
package model
