/** The cases that are trained. */
import { describeCases } from './suite.ts'

describeCases('training')
