package main

import "github.com/spf13/cobra"

func (a *app) throughputCommand() *cobra.Command { return &cobra.Command{Use: "throughput"} }
func (a *app) compareCommand() *cobra.Command    { return &cobra.Command{Use: "compare"} }
func (a *app) corpusCommand() *cobra.Command     { return &cobra.Command{Use: "corpus"} }
