package handover

// Place is where something is: a loop, the index of its record there, and what tells one use
// of that record from the next. Index 0 is nowhere.
type Place struct {
	Loop       uint8
	Index, Gen uint32
}

// Places tell where what another program's loops had is now: by that loop, and the index of
// the record that it had there.
type Places [][]Place

// NewPlaces are those of so many loops, which are told later.
func NewPlaces(loops int) Places { return make(Places, loops) }

// Set notes where one is now.
func (p Places) Set(loop uint8, index uint32, now Place) {
	list := &p[loop]
	if more := int(index) + 1 - len(*list); more > 0 {
		*list = append(*list, make([]Place, more)...)
	}
	(*list)[index] = now
}

// At is where one is now.
func (p Places) At(loop uint8, index uint32) Place {
	if int(loop) >= len(p) || int(index) >= len(p[loop]) {
		return Place{}
	}
	return p[loop][index]
}
