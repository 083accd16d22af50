package actuator_test

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
)

// memory keeps nothing: it is a Saver for an example.
type memory struct{}

func (memory) Save(_ actuator.Record, events []actuator.Event, done func(error)) { done(nil) }

// A lock is made from a driver. Its goroutine runs until the context ends.
func Example() {
	clock, err := actuator.SystemClock()
	if err != nil {
		panic(err)
	}
	driver := mock.New(mock.Config{}, actuator.Unlocked)
	defer driver.Close()
	config := actuator.Config{AtPowerOn: actuator.Unlocked, ConfirmTimeout: 4 * time.Second}
	lock := actuator.New(config, driver, memory{}, actuator.Record{}, clock, zap.NewNop())

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lock.Run(ctx)
	}()

	result, err := lock.Do(ctx, actuator.Command{Name: "lockDoor", Target: actuator.Locked})
	fmt.Println(result.Position, result.Confirmed, err)

	stop()
	<-ended
	// Output: locked true <nil>
}
