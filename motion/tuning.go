package motion

import "time"

// A tuning holds the constants of the detector. Each has a physical meaning; one set serves all scenes. They were chosen
// together on recordings of rooms, streets, yards, weather, night and changing light, and lie on a plateau: halving
// the picture rate, taking away a third of the contrast, or changing any one of them by a third costs little.
type tuning struct {
	minInterval time.Duration // pictures that come sooner after the last are passed over: above 18 a second nothing is gained
	maxGap      time.Duration // a longer pause starts learning anew

	// Learning, at the start and after a scene change.
	sceneShare   float64       // of the picture changing at once is a scene change
	sceneGain    float64       // so is brightness changing by this share
	sceneRise    time.Duration // within about this time; slower is exposure, which the gain follows
	start        time.Duration // how long at the start
	startKick    float64       // share by which each change raises the flicker average then
	learn        time.Duration // how long after a scene change
	unsteady     float64       // brightness still changing by this share starts learning over
	maxLearn     time.Duration // but not for longer than this
	sameLight    float64       // correlation of the steps between cells with those before a scene change: from this on only the light changed
	sameInfra    float64       // from this on the filter against infra-red moved; less is another view
	coveredShare float64       // of the former steps: another view with less is something before the lens
	plain        float64       // mean step between cells, in levels, below which nothing is seen
	black        float64       // mean brightness below which that is darkness, in levels
	frozen       time.Duration // a picture that stays the same to the last bit for so long isn't live
	focusLook    time.Duration // so often the edges are looked at
	focusAge     time.Duration // they are compared with those of this long ago, at most
	focusBend    int32         // least bend of brightness over three cells that is an edge, in 1/64 level
	focusSeen    float64       // edges in less than this share of the cells tell nothing
	focusSoft    float64       // an edge that bends by less than this share of what it did is soft
	focusShare   float64       // so many of the edges must be soft
	focusLost    time.Duration // for so long
	startNoise   float64       // mean deviation assumed at first, in levels

	// The threshold of a cell is the larger of Config.MinContrast and noise mean deviations, plus a share of the local gradient,
	// which is what a shake of the camera by a fraction of a cell does, plus flicker flicker averages.
	noise   float64
	edge    int32 // the share is 1/edge of the difference between the neighbours on both sides
	flicker float64

	// Time constants of running means, and the like.
	quiet       time.Duration // of the background where nothing happens
	busy        time.Duration // of the background where something does, so that it is not absorbed while it moves
	settle      time.Duration // what has stood still for this long is absorbed as if it were quiet
	creepQuiet  time.Duration // of the slow background, against which things are found that creep
	exposure    time.Duration // of the background's following of the gain
	deviation   time.Duration // of the mean deviation
	flickerUp   time.Duration // of the flicker average while there is a difference
	flickerKick float64       // share by which each new difference raises it at once: what comes and goes is flicker
	flickerDown time.Duration // of its decay: longer than the ten seconds between changes of a clock's digit

	// What makes changed cells motion.
	reach      float64       // cells a second by which something moves on between pictures
	leap       float64       // the same of something solid, at least three cells each way: a runner, a car
	sparse     time.Duration // with pictures further apart, a change near it in one picture before is enough
	recent     time.Duration // memory of what is a fresh change
	freshShare float64       // of a part's cells that must be freshly changed, or it stands: a clock's digit, what a departed object left
	freshMin   float64       // but so many are enough: of something large only the edges change
	litShare   float64       // a part that keeps its background's texture in this share of places is light that changed there: a lamp's cone, a sun patch
	litLuck    float64       // and in so many more, since some agree by chance
	litSeen    int           // fewer places with texture tell nothing
	litStep    int32         // least difference within three cells that is texture, in 1/64 level
	litNoise   int32         // and in mean deviations
	creepSame  float64       // what creeps differs in texture from the slow background by more than this share
	creepPairs int32         // in at least so many pairs of neighbouring cells
	creepPlain float64       // with so much texture, in levels from cell to cell
	minCells   int           // smallest part, whatever Config.MinArea says
	minCoarse  int           // the same where planes are so small that the grid is coarse
	sure       float64       // a part this many times the smallest counts in full, smaller ones proportionally
	travel     float64       // cells that a small part must have gone on from where it was first seen
	travelAge  time.Duration // and for how long
	creepLook  time.Duration // so often the two backgrounds are compared
	creepRest  time.Duration // so long after other motion nothing is taken for creeping: it may be what that left
	creepSpan  time.Duration // in two such spans, one after the other, a part that creeps must grow
	creepMax   float64       // of the picture are too many: that is the light
	fewTrails  int           // small parts that are followed at the same time; more are weather
	lost       time.Duration // a small part not seen for so long is gone
	prompt     float64       // a part this many times the smallest that changes still has moved since its cells first changed, two pictures ago
	promptMin  int           // cells of it that must have changed since the picture before
	pace       float64       // own sizes by which what is small moves on in a second, at most, unless it is before the lens: a runner's three
	paceMean   time.Duration // time constant of the mean pace
	small      float64       // share of the picture's longer side below which something is small
	apart      float64       // the same of the distance between things that have nothing to do with each other
	crowd      float64       // so many small things that came and went are weather or insects
	crowdMean  time.Duration // if within about this time
	crowdSame  time.Duration // what comes again near there within this time is the same thing
	doubt      float64       // in weather evidence for something small grows slower, by up to this factor
	fall       float64       // speed at which evidence shrinks without motion, against its growth with it
	hold       float64       // evidence is kept up to this many times what is needed
}

func defaultTuning() tuning {
	return tuning{
		minInterval: 55 * time.Millisecond,
		maxGap:      3 * time.Second,

		sceneShare:   0.35,
		sceneGain:    0.25,
		sceneRise:    500 * time.Millisecond,
		start:        1500 * time.Millisecond,
		startKick:    0.3,
		learn:        700 * time.Millisecond,
		unsteady:     0.05,
		maxLearn:     3 * time.Second,
		sameLight:    0.965,
		sameInfra:    0.65,
		coveredShare: 0.25,
		plain:        0.5,
		black:        24,
		frozen:       6 * time.Second,
		focusLook:    500 * time.Millisecond,
		focusAge:     10 * time.Second,
		focusBend:    4 * levelUnit,
		focusSeen:    0.1,
		focusSoft:    0.8,
		focusShare:   0.7,
		focusLost:    2 * time.Second,
		startNoise:   1,

		noise:   5,
		edge:    8,
		flicker: 3,

		quiet:       2500 * time.Millisecond,
		busy:        20 * time.Second,
		settle:      3 * time.Second,
		creepQuiet:  12 * time.Second,
		exposure:    time.Second,
		deviation:   4 * time.Second,
		flickerUp:   10 * time.Second,
		flickerKick: 0.05,
		flickerDown: 20 * time.Second,

		reach:      6,
		leap:       60,
		sparse:     300 * time.Millisecond,
		recent:     350 * time.Millisecond,
		freshShare: 0.5,
		freshMin:   3,
		litShare:   0.38,
		litLuck:    3,
		litSeen:    6,
		litStep:    3 * levelUnit / 2,
		litNoise:   4,
		creepSame:  0.4,
		creepPairs: 6,
		creepPlain: 2,
		minCells:   3,
		minCoarse:  2,
		sure:       2,
		travel:     2,
		travelAge:  500 * time.Millisecond,
		creepLook:  500 * time.Millisecond,
		creepRest:  3 * time.Second,
		creepSpan:  time.Second,
		creepMax:   0.15,
		fewTrails:  4,
		lost:       350 * time.Millisecond,
		prompt:     2,
		promptMin:  2,
		pace:       3,
		paceMean:   300 * time.Millisecond,
		small:      0.125,
		apart:      0.15,
		crowd:      2,
		crowdMean:  15 * time.Second,
		crowdSame:  3 * time.Second,
		doubt:      3,
		fall:       0.7,
		hold:       2,
	}
}
