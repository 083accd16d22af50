package mqtt

import "context"

// Try makes one attempt to connect and subscribe as Run does, and then closes the link.
// It returns the error that Run would log. If the device has a link already, the hub
// closes that link.
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
