package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// requestsAtOnce bounds the requests to the service front.
const requestsAtOnce = 16

// register makes sure that the hub has the devices, and returns their keys in
// order. Devices that it makes get keys that follow from the service's, as a
// hub does not return the keys of a bulk request; of those that were there
// before the key is asked for.
func register(ctx context.Context, hub *rest.Client, secret iothub.Key, doors []planned) ([]iothub.Key, error) {
	keys := make([]iothub.Key, len(doors))
	index := make(map[string]int, len(doors))
	devices := make([]iothub.DeviceIdentity, len(doors))
	for i, d := range doors {
		keys[i], index[d.id] = deviceKey(secret, d.id), i
		devices[i] = iothub.DeviceIdentity{DeviceID: d.id, Authentication: &iothub.Authentication{
			Type: "sas",
			SymmetricKey: iothub.SymmetricKey{
				PrimaryKey:   keys[i].Base64(),
				SecondaryKey: deviceKey(secret, d.id+" secondary").Base64(),
			},
		}}
	}
	refused, err := hub.CreateDevices(ctx, devices)
	if err != nil {
		return nil, fmt.Errorf("register the devices: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(requestsAtOnce)
	for _, r := range refused {
		i, ours := index[r.DeviceID]
		if !ours || !existed(r) {
			group.Wait()
			return nil, fmt.Errorf("register %s: %s (%s)", r.DeviceID, r.Message, r.Code)
		}
		group.Go(func() (err error) {
			keys[i], err = existingKey(ctx, hub, r.DeviceID)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return keys, nil
}

func existed(e rest.BulkError) bool {
	return e.Code == string(iothub.CodeDeviceAlreadyExists) || e.Code == strconv.Itoa(iothub.CodeDeviceAlreadyExists.Number())
}

func existingKey(ctx context.Context, hub *rest.Client, id string) (iothub.Key, error) {
	d, err := hub.Device(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read the key of %s: %w", id, err)
	}
	if d.Authentication == nil || d.Authentication.SymmetricKey.PrimaryKey == "" {
		return nil, fmt.Errorf("%s is there already and logs in without a key; choose another --prefix", id)
	}
	key, err := iothub.ParseKey(d.Authentication.SymmetricKey.PrimaryKey)
	if err != nil {
		return nil, fmt.Errorf("read the key of %s: %w", id, err)
	}
	return key, nil
}

func deviceKey(secret iothub.Key, id string) iothub.Key {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("latchsim " + id))
	return mac.Sum(nil)
}

// tag lays tags over the twin of each device.
func tag(ctx context.Context, hub *rest.Client, doors []planned, tags iothub.Object) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(requestsAtOnce)
	for _, d := range doors {
		group.Go(func() error {
			if _, err := hub.UpdateTwin(ctx, d.id, iothub.TwinPatch{Tags: tags}, ""); err != nil {
				return fmt.Errorf("set the tags of %s: %w", d.id, err)
			}
			return nil
		})
	}
	return group.Wait()
}
