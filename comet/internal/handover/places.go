package handover

// Place is where something is: its loop, the index of its record there, and Gen, which tells one use of
// that record from the next. Index 0 means nowhere.
type Place struct {
	Loop       uint8
	Index, Gen uint32
}

// Places maps the loops and record indexes of another program to the present places.
type Places [][]Place

// NewPlaces returns empty Places for this many loops of the other program.
func NewPlaces(loops int) Places { return make(Places, loops) }

// Set stores the present place of a record.
func (p Places) Set(loop uint8, index uint32, now Place) {
	list := &p[loop]
	if more := int(index) + 1 - len(*list); more > 0 {
		*list = append(*list, make([]Place, more)...)
	}
	(*list)[index] = now
}

// At returns the present place of a record, or the zero Place if there is none.
func (p Places) At(loop uint8, index uint32) Place {
	if int(loop) >= len(p) || int(index) >= len(p[loop]) {
		return Place{}
	}
	return p[loop][index]
}
