// Package conn works out which hub latchctl is to speak to: from flags, from the
// environment, or from the hubs named in the user's config file.
//
// What it promises: flags go before the environment, and that before the
// config's default hub. A named hub brings its own endpoint and CA; those of the
// environment are for the hub of the environment. A key is only ever read from a
// file or from the environment, never from the command line, and no error quotes
// one; a hub that is given by its host name alone is for a login by Entra ID. The file is strict: an unknown key is an error with its line.
package conn
