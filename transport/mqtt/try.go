package mqtt

import "context"

// Try makes one attempt as Run makes them, up to the subscriptions, and closes
// the link that comes of it. Its error is what Run would log. If the device has a
// link already, a hub ends that one.
func Try(ctx context.Context, opts Options) error {
	s, err := opts.check()
	if err != nil {
		return err
	}
	located, err := s.locate(ctx, 0)
	if err != nil {
		return err
	}
	link, err := located.connect(ctx, "")
	if err != nil {
		return err
	}
	link.close(ErrLinkEnded)
	return nil
}
