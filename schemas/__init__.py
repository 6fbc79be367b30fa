"""The wire: everything that crosses a boundary of a Tocsin service, as typed models."""
