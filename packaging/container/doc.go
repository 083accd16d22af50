// Package container tests the container image of latchhub: it builds the image, starts
// the hub in it twice, and checks that the second hub uses the data of the first one.
package container
