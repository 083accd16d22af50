package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// report sends the smallest patch that updates the hub's reported properties. If the
// hub refuses the patch permanently, report sends each part of it separately, so that
// the hub gets all parts that it accepts. It sends a refused part again when the part has
// changed or refusedPause is over. The error means that the request must be repeated.
func (t *twinSync) report(ctx context.Context) error {
	parts := split(difference(t.reported, t.Agent.reported()))
	t.refused.keep(parts)

	var together, alone []part
	for _, p := range parts {
		refused, suspect := t.refused[p.path()]
		switch {
		case !suspect:
			together = append(together, p)
		case t.repeat || !reflect.DeepEqual(refused.value, p.value):
			alone = append(alone, p)
		}
	}
	t.repeat = false

	if len(together) > 1 {
		err := t.send(ctx, together)
		if err != nil && !isPermanent(err) {
			return err
		}
		if err == nil {
			together = nil
		}
	}

	for _, p := range slices.Concat(together, alone) {
		if err := t.sendPart(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// sendPart reports one part on its own. A permanent refusal is no error: sendPart
// records it, and logs it if its reason is new.
func (t *twinSync) sendPart(ctx context.Context, p part) error {
	err := t.send(ctx, []part{p})
	if !isPermanent(err) {
		delete(t.refused, p.path())
		return err
	}

	refusal, _ := errors.AsType[*iothub.Error](err)
	reason := refusal.Error()
	if t.refused[p.path()].reason != reason {
		t.config.Log.Error("the hub refuses a reported property; the agent reports it again when it changes, and every 10 minutes",
			zap.String("property", p.path()), zap.Error(err))
	}
	t.refused[p.path()] = refused{p.value, reason}
	return nil
}

// send reports parts in one patch. After a failure, the agent knows the hub's reported
// properties only if the hub refused the patch with a 4xx status.
func (t *twinSync) send(ctx context.Context, parts []part) error {
	patch := join(parts)
	err := t.request(ctx, func() error {
		_, err := t.link.Report(ctx, patch)
		return err
	})
	if err == nil {
		t.reported = t.reported.Merge(patch)
		return nil
	}

	if refusal, ok := errors.AsType[*iothub.Error](err); !ok || refusal.Status >= 500 {
		t.reportedKnown = false
	}
	return fmt.Errorf("report properties: %w", err)
}

// isPermanent reports whether err is a refusal of the hub that the same request will
// meet again: the hub finds the request invalid (400) or too large (413).
func isPermanent(err error) bool {
	refusal, ok := errors.AsType[*iothub.Error](err)
	return ok && (refusal.Status == http.StatusBadRequest || refusal.Status == http.StatusRequestEntityTooLarge)
}

// part is the smallest unit of a report: a member of a section such as lock, or a whole
// property. An acknowledgement is one part, because its members describe one value.
type part struct {
	section string // name of the section; empty for a whole property
	name    string
	value   any // nil deletes the member or property
}

func (p part) path() string {
	if p.section == "" {
		return p.name
	}
	return p.section + "." + p.name
}

// split divides a patch into its parts, in the order of their paths.
func split(patch iothub.Object) []part {
	var parts []part
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		members, isObject := patch[name].(map[string]any)
		if !isObject || !isSection(name) {
			parts = append(parts, part{"", name, patch[name]})
			continue
		}
		for _, member := range slices.Sorted(maps.Keys(members)) {
			parts = append(parts, part{name, member, members[member]})
		}
	}
	return parts
}

// join is the inverse of split.
func join(parts []part) iothub.Object {
	patch := iothub.Object{}
	for _, p := range parts {
		if p.section == "" {
			patch[p.name] = p.value
			continue
		}
		members, _ := patch[p.section].(map[string]any)
		if members == nil {
			members = make(map[string]any)
			patch[p.section] = members
		}
		members[p.name] = p.value
	}
	return patch
}

// refused describes a part of the report that the hub has refused permanently.
type refused struct {
	value  any
	reason string
}

// refusals holds the parts of the report that the hub has refused permanently, by path.
type refusals map[string]refused

// keep forgets the refusals of parts that need no report any more.
func (r refusals) keep(parts []part) {
	maps.DeleteFunc(r, func(path string, _ refused) bool {
		return !slices.ContainsFunc(parts, func(p part) bool { return p.path() == path })
	})
}

// twinTrouble says why the twin is not up to date.
type twinTrouble struct {
	failure string            // why the last request failed; the agent repeats it
	refused map[string]string // reasons why the hub refuses reported properties, by path
}

// newTrouble returns the trouble for the last request's error and the hub's refusals. It
// returns nil if there is none.
func newTrouble(err error, refused refusals) *twinTrouble {
	if err == nil && len(refused) == 0 {
		return nil
	}

	t := &twinTrouble{refused: make(map[string]string, len(refused))}
	if err != nil {
		t.failure = cutRunes(err.Error(), maxReportedText)
	}
	for path, r := range refused {
		t.refused[path] = cutRunes(r.reason, maxReportedText)
	}
	return t
}

// object returns the trouble for the answer to getStatus.
func (t *twinTrouble) object() map[string]any {
	o := make(map[string]any)
	if t.failure != "" {
		o["failure"] = t.failure
	}
	if len(t.refused) > 0 {
		o["refused"] = t.refused
	}
	return o
}
