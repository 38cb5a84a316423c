package capture

import "fmt"

// ControlValues are values of controls by Control.Name.
type ControlValues map[string]int32

// UnmarshalYAML takes true and false as 1 and 0, beside whole numbers.
func (v *ControlValues) UnmarshalYAML(unmarshal func(any) error) error {
	var m map[string]controlValue
	if err := unmarshal(&m); err != nil {
		return err
	}
	if *v = nil; len(m) > 0 {
		*v = make(ControlValues, len(m))
	}
	for name, x := range m {
		(*v)[name] = int32(x)
	}
	return nil
}

// controlValue is one value as a configuration gives it.
type controlValue int32

func (v *controlValue) UnmarshalYAML(unmarshal func(any) error) error {
	var b bool
	if unmarshal(&b) == nil {
		*v = 0
		if b {
			*v = 1
		}
		return nil
	}
	var n int32
	if err := unmarshal(&n); err != nil {
		return fmt.Errorf("neither a whole number nor true or false: %w", err)
	}
	*v = controlValue(n)
	return nil
}
