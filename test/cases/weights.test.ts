/** The cases that are quantized without data. */
import { describeCases } from './suite.ts'

describeCases('weights')
