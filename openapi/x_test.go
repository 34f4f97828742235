package openapi_test

import (
	"testing"

	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi"
	"github.com/pb33f/jsonschema/v6"
	"sluice/gateway/gatewaytest"
)

func TestX(t *testing.T) {
	_ = validator.NewValidator
	_ = libopenapi.NewDocument
	_ = jsonschema.NewCompiler
	gatewaytest.Start(t)
}
