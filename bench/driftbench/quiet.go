package main

// quiet.c is part of the command by being compiled into it.

import "C"
