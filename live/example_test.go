package live_test

import (
	"context"
	"fmt"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/live/livetest"
)

// printer is a FrameWriter: what an output has to be.
type printer struct{}

func (printer) WriteFrame(f *live.Frame) error {
	_, err := fmt.Printf("%s %s, %d ms\n", f.Codec, f.Kind, f.Time)
	return err
}

// A protocol that receives hands frames to a Publisher; one that sends copies a Reader into its own FrameWriter.
func Example() {
	ctx := context.Background()
	var hub live.Hub
	key := live.Key{App: "live", Name: "demo"}

	publisher, err := hub.Publish(ctx, live.Request{Protocol: live.ProtocolRTMP, Key: key})
	if err != nil {
		fmt.Println(live.Description(err))
		return
	}
	viewer, err := hub.Play(ctx, live.Request{Protocol: live.ProtocolFLV, Key: key}, 0)
	if err != nil {
		fmt.Println(live.Description(err))
		return
	}
	defer viewer.Close(nil)
	reader := viewer.Stream().NewReader(live.Tracks{})

	for _, f := range []*live.Frame{livetest.VideoConfig(), livetest.Video(0), livetest.Video(1)} {
		if err := publisher.WriteFrame(f); err != nil {
			fmt.Println(err)
		}
	}
	publisher.Close(nil)

	if err := live.Copy(viewer.Context(), printer{}, reader); err != nil {
		fmt.Println(err)
	}
	// Output:
	// avc1 video, 0 ms
	// avc1 video, 0 ms
	// avc1 video, 40 ms
}

// A guard says who may do what; what it refuses is told to the client in its own words.
func ExampleGuardFunc() {
	var hub live.Hub
	hub.Activate(&live.Policy{Guard: live.GuardFunc(func(_ context.Context, r *live.Request) (live.Grant, error) {
		if r.Action == live.ActionPublish && r.Query != "key=open" {
			return live.Grant{}, live.Refuse(live.ErrUnauthorized, "publishing to %s needs a key", r.Key)
		}
		return live.Grant{}, nil
	})})
	_, err := hub.Publish(context.Background(), live.Request{Key: live.Key{App: "live", Name: "demo"}})
	fmt.Println(live.Description(err))
	// Output: publishing to /live/demo needs a key
}
