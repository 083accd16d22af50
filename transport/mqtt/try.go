package mqtt

import "context"

// Try connects and subscribes once, as Run does, and then closes the link. It returns
// the error that Run would log. If the device is already connected, the hub closes the
// older link.
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
