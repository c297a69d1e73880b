package record

import "fmt"

// Check walks an index and returns the records in it, or an error if a record is there
// twice or in the wrong bucket, or if the count is wrong.
func (x *Index) Check() (map[uint32]bool, error) {
	found := map[uint32]bool{}
	for b := range x.level + x.split {
		for i := *x.buckets.At(b + 1); i != 0; i = *x.link(i) {
			if found[i] {
				return nil, fmt.Errorf("index: record %d twice", i)
			}
			found[i] = true
			if x.bucket(x.hash(i)) != x.buckets.At(b+1) {
				return nil, fmt.Errorf("index: record %d in bucket %d", i, b)
			}
		}
	}
	if int(x.Count) != len(found) {
		return nil, fmt.Errorf("index: it counts %d records, %d are there", x.Count, len(found))
	}
	return found, nil
}
