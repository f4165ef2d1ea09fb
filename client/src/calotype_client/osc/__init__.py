"""Commands for `openstack`, next to its own ones for images. They share its session and options."""
