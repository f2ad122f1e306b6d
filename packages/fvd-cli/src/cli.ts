#!/usr/bin/env node
import { runProgram } from '@eflow/command-line';
import { createProgram } from './command.ts';

await runProgram(createProgram());
