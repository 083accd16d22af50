package rest_test

import (
	"context"
	"fmt"
	"os"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// This example runs a job that locks all doors of building 43.
func Example() {
	service, err := iothub.ParseService(os.Getenv("HUB_CONNECTION_STRING"))
	if err != nil {
		fmt.Println(err)
		return
	}

	client := rest.New(service, rest.Options{})
	job, err := client.CreateJob(context.Background(), iothub.Job{
		JobID:               "close-43",
		Type:                iothub.ScheduleDeviceMethod,
		QueryCondition:      "tags.building = '43'",
		CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor", ResponseTimeoutInSeconds: 15},
	})

	fmt.Println(job.Status, err)
}
