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

// maxRequests limits the number of concurrent requests to the hub's service API.
const maxRequests = 16

// register creates the devices that do not exist in the hub yet. It returns the primary
// keys of all devices, in the order of doors. The hub does not return keys when it
// creates many devices at once. register therefore derives the keys of new devices from
// the service's key. It asks the hub for the keys of existing devices.
func register(ctx context.Context, hub *rest.Client, serviceKey iothub.Key, doors []door) ([]iothub.Key, error) {
	keys := make([]iothub.Key, len(doors))
	index := make(map[string]int, len(doors)) // key: device id; value: index in doors
	devices := make([]iothub.DeviceIdentity, len(doors))
	for i, d := range doors {
		keys[i] = deriveKey(serviceKey, d.id)
		index[d.id] = i
		devices[i] = iothub.DeviceIdentity{DeviceID: d.id, Authentication: &iothub.Authentication{
			Type: "sas",
			SymmetricKey: iothub.SymmetricKey{
				PrimaryKey:   keys[i].Base64(),
				SecondaryKey: deriveKey(serviceKey, d.id+" secondary").Base64(),
			},
		}}
	}

	refused, err := hub.CreateDevices(ctx, devices)
	if err != nil {
		return nil, fmt.Errorf("register the devices: %w", err)
	}

	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxRequests)
	for _, r := range refused {
		i, ours := index[r.DeviceID]
		if !ours || !alreadyExists(r) {
			group.Wait()
			return nil, fmt.Errorf("register %s: %s (%s)", r.DeviceID, r.Message, r.Code)
		}
		group.Go(func() (err error) {
			keys[i], err = readKey(ctx, hub, r.DeviceID)
			return err
		})
	}

	if err := group.Wait(); err != nil {
		return nil, err
	}
	return keys, nil
}

// alreadyExists reports whether the hub refused to create a device because the device
// already exists.
func alreadyExists(e rest.BulkError) bool {
	return e.Code == string(iothub.CodeDeviceAlreadyExists) || e.Code == strconv.Itoa(iothub.CodeDeviceAlreadyExists.Number())
}

// readKey asks the hub for the primary key of a device.
func readKey(ctx context.Context, hub *rest.Client, id string) (iothub.Key, error) {
	d, err := hub.Device(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read the key of %s: %w", id, err)
	}
	if d.Authentication == nil || d.Authentication.SymmetricKey.PrimaryKey == "" {
		return nil, fmt.Errorf("the hub already has a device %s, which has no key; choose another --prefix", id)
	}

	key, err := iothub.ParseKey(d.Authentication.SymmetricKey.PrimaryKey)
	if err != nil {
		return nil, fmt.Errorf("read the key of %s: %w", id, err)
	}
	return key, nil
}

// deriveKey derives a device's primary key from the key of the service.
func deriveKey(serviceKey iothub.Key, id string) iothub.Key {
	mac := hmac.New(sha256.New, serviceKey)
	mac.Write([]byte("latchsim " + id))
	return mac.Sum(nil)
}

// setTags adds the given tags to the twin of each device.
func setTags(ctx context.Context, hub *rest.Client, doors []door, tags iothub.Object) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxRequests)
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
