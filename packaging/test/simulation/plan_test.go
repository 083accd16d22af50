package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// plan lists all commands and faults of a run. It depends on the seed only.
type plan struct {
	steps    []step
	jobs     []string // ids of the jobs
	faults   int
	duration time.Duration
}

// step is a command, a fault or an action of people at a door.
type step struct {
	at   time.Duration
	name string
	do   func()
}

// String lists the steps, to compare the plans of two runs.
func (p plan) String() string {
	var b strings.Builder
	for _, s := range p.steps {
		fmt.Fprintln(&b, s.at, s.name)
	}
	return b.String()
}

// planner makes a plan.
type planner struct {
	*world
	plan
	random *rand.Rand
	number int
	at     time.Duration
}

func newPlan(random *rand.Rand, w *world) plan {
	p := &planner{world: w, random: random, plan: plan{duration: w.settings.duration}}
	for p.next(time.Minute) {
		p.command()
	}
	for p.at = 0; p.next(20 * time.Second); {
		p.people()
	}
	for p.at = 0; p.next(90 * time.Second); {
		p.fault()
	}
	p.random = rand.New(rand.NewPCG(w.seed, 5)) // later additions leave the other steps as they are
	for p.at = 0; p.next(8 * time.Minute); {
		p.maintain()
	}
	slices.SortStableFunc(p.steps, func(a, b step) int { return int(a.at - b.at) })
	return p.plan
}

// next advances to the next time, after a random pause of the given mean. It returns
// false at the end of the run.
func (p *planner) next(mean time.Duration) bool {
	p.at += time.Duration(p.random.ExpFloat64() * float64(mean))
	return p.at < p.duration
}

func (p *planner) add(name string, do func()) { p.steps = append(p.steps, step{p.at, name, do}) }

// repairAfter adds the end of a fault. Faults end before the run does.
func (p *planner) repairAfter(d time.Duration, name string, do func()) {
	p.steps = append(p.steps, step{min(p.at+d, p.duration), name, do})
}

func (p *planner) gateway() *gateway { return p.gateways[p.random.IntN(len(p.gateways))] }

// some returns between one and all gateways.
func (p *planner) some() []string {
	var ids []string
	for _, i := range p.random.Perm(len(p.gateways))[:1+p.random.IntN(len(p.gateways))] {
		ids = append(ids, p.gateways[i].id())
	}
	return ids
}

func (p *planner) id(kind string) string {
	p.number++
	return fmt.Sprint(kind, "-", p.number)
}

// upTo returns a random time of at most d.
func (p *planner) upTo(d time.Duration) time.Duration {
	return time.Duration(p.random.Int64N(int64(d))).Round(time.Millisecond)
}

// method returns a random method that moves bolts, with a unique reason.
func (p *planner) method(reason string) (name, payload string) {
	switch p.random.IntN(4) {
	case 0:
		return "lockDoor", fmt.Sprintf(`{"reason":%q}`, reason)
	case 1:
		return "lockDoor", fmt.Sprintf(`{"reason":%q,"whenClosed":true}`, reason)
	case 2:
		return "unlockDoor", fmt.Sprintf(`{"reason":%q,"hold":true}`, reason)
	}
	return "unlockDoor", fmt.Sprintf(`{"reason":%q,"forSeconds":%d}`, reason, 1+p.random.IntN(20))
}

// command adds a command of the technician.
func (p *planner) command() {
	t := p.technician
	switch p.random.IntN(10) {
	case 0, 1, 2:
		g, reason := p.gateway(), p.id("call")
		name, payload := p.method(reason)
		p.add(fmt.Sprint("call ", name, " of ", g.id(), " ", payload), func() { t.call(g, name, payload, reason) })
	case 3, 4:
		job := p.job()
		name, payload := p.method(job.JobID)
		p.callMethod(job, name, payload)
	case 5:
		job := p.job()
		job.Type = iothub.ScheduleUpdateTwin
		desired := []string{`"lockdown":true`, `"lockdown":false`, `"lockdown":null`, `"autoRelockSeconds":15`, `"floor":-2`, `"floor":4600000000000000.0`, `"room":"é"`}
		patch := desired[p.random.IntN(len(desired))]
		job.UpdateTwin = []byte(`{"etag":"*","properties":{"desired":{` + patch + `}}}`)
		p.schedule(job, patch)
	case 6:
		g, tag := p.gateway(), p.id("tag")
		p.add(fmt.Sprint("tag ", g.id(), " ", tag), func() { t.note(g, tag) })
	case 7:
		if len(p.jobs) > 0 {
			id := p.jobs[p.random.IntN(len(p.jobs))]
			p.add("cancel "+id, func() { t.cancelJob(id) })
		}
	case 8:
		if len(p.jobs) > 0 {
			id := p.jobs[p.random.IntN(len(p.jobs))]
			p.add("read "+id, func() { t.readJob(id) })
		}
	case 9:
		id, devices := p.id("rollout"), p.some()
		if len(devices) > 1 {
			p.add(fmt.Sprint(id, " ", devices), func() { t.rollOut(id, devices) })
		}
	}
}

func (p *planner) job() iothub.Job {
	condition := "*"
	if devices := p.some(); len(devices) < len(p.gateways) {
		condition = rest.DevicesIn(devices)
	}
	job := p.newJob(condition)
	if p.random.IntN(2) == 0 {
		start := epoch.Add(p.at + p.upTo(10*time.Minute)).UTC().Truncate(time.Millisecond)
		job.StartTime = &start
	}
	return job
}

func (p *planner) newJob(condition string) iothub.Job {
	return iothub.Job{JobID: p.id("job"), MaxExecutionTimeInSeconds: 300, QueryCondition: condition}
}

// callMethod adds the creation of a job that calls a method.
func (p *planner) callMethod(job iothub.Job, name, payload string) {
	job.Type = iothub.ScheduleDeviceMethod
	job.CloudToDeviceMethod = &iothub.MethodRequest{MethodName: name, Payload: []byte(payload), ResponseTimeoutInSeconds: 30}
	p.schedule(job, name+" "+payload)
}

func (p *planner) schedule(job iothub.Job, what string) {
	p.jobs = append(p.jobs, job.JobID)
	p.technician.know(job)
	p.add(fmt.Sprint("schedule ", job.JobID, " ", what, " ", job.QueryCondition, " ", job.StartTime), func() { p.technician.createJob(job) })
}

// people adds an action of somebody at a door.
func (p *planner) people() {
	g := p.gateway()
	switch p.random.IntN(6) {
	case 0:
		p.add("exit of "+g.id(), func() { g.driver.PressExit() })
		p.repairAfter(time.Second, "exit idle of "+g.id(), func() { g.driver.ReleaseExit() })
	case 1, 2, 3:
		p.add("open "+g.id(), func() { g.driver.OpenDoor() })
		p.repairAfter(2*time.Second+p.upTo(time.Minute), "close "+g.id(), func() { g.driver.CloseDoor() })
	case 4:
		if p.random.IntN(5) == 0 {
			p.add("pry "+g.id(), func() { g.driver.PryDoor() })
			p.repairAfter(5*time.Second, "close "+g.id(), func() { g.driver.CloseDoor() })
		}
	case 5:
		if p.random.IntN(5) == 0 {
			to := []actuator.Position{actuator.Locked, actuator.Unlocked}[p.random.IntN(2)]
			p.add(fmt.Sprint("turn the key of ", g.id(), " to ", to), func() { g.driver.Force(to) })
		}
	}
}

// maintain adds work of an administrator.
func (p *planner) maintain() {
	p.faults++
	if p.random.IntN(3) == 0 {
		p.moveHub()
		return
	}
	p.rollKey(p.gateway())
}

// fault adds a fault and its end.
func (p *planner) fault() {
	p.faults++
	g := p.gateway()
	paths := []*path{g.path}
	whose := g.id()
	switch p.random.IntN(8) {
	case 0:
		paths, whose = []*path{p.technician.path}, "the technician"
	case 1:
		paths, whose = p.network.paths, "everybody"
	}
	all := func(do func(*path)) func() {
		return func() {
			for _, path := range paths {
				do(path)
			}
		}
	}

	switch p.random.IntN(20) {
	case 0, 1:
		p.add("cut "+whose, all((*path).cut))
	case 2:
		p.add("stall "+whose, all(func(path *path) { path.setStalled(true) }))
		p.repairAfter(p.upTo(3*time.Minute), "resume "+whose, all(func(path *path) { path.setStalled(false) }))
	case 3:
		knows := p.random.IntN(2) == 0
		p.add(fmt.Sprint("half-open ", whose, " ", knows), all(func(path *path) { path.halfOpen(knows) }))
	case 4:
		delay := p.upTo(8 * time.Second)
		p.add(fmt.Sprint("delay ", whose, " ", delay), all(func(path *path) { path.setDelay(delay) }))
		p.repairAfter(p.upTo(5*time.Minute), "no delay "+whose, all(func(path *path) { path.setDelay(usualDelay) }))
	case 5:
		p.add("disconnect "+whose, all(func(path *path) { path.setDown(true); path.abandon() }))
		p.repairAfter(p.upTo(5*time.Minute), "connect "+whose, all(func(path *path) { path.setDown(false) }))
	case 6, 7, 8:
		p.crashHub()
	case 9:
		p.add("move the hub", p.network.move)
	case 10, 11:
		p.crashGateway(g)
	case 12:
		p.stepClock(g)
	case 13:
		p.add("fill the disk of "+g.id(), func() { g.disk.setFull(true) })
		p.repairAfter(p.upTo(5*time.Minute), "empty the disk of "+g.id(), func() { g.disk.setFull(false) })
	case 14:
		p.fillHub()
	default:
		p.misbehave(g)
	}
}
