/** Which golden option sets are compared, and why the others are not. */

/** every case has these */
export const QDQ_SETS = ['qdq_u8s8_pc', 'qdq_s8s8_pt', 'qdq_u8s8_pc_rr', 'qdq_trt', 'qdq_u16s8_pc']

/** one option each, on a few cases */
export const QDQ_OPTIONS = [
  ...['qdq_u8u8_pt', 'qdq_s8s8_pc', 'qdq_s16s8_pt', 'qdq_u16u8_pt', 'qdq_s16s16_pt', 'qdq_u8s8_contrib'],
  ...['qdq_u16s8_contrib', 'qdq_keep_removable', 'qdq_force', 'qdq_min_real_range', 'qdq_act_symmetric'],
  ...['qdq_u8_act_symmetric', 'qdq_weight_asymmetric', 'qdq_u8_weight_symmetric', 'qdq_no_bias', 'qdq_dedicated'],
  ...['qdq_add_pair_to_weight', 'qdq_only_conv_matmul_gemm', 'qdq_exclude_first', 'qdq_only_first'],
  ...['qdq_matmul_axis', 'qdq_exclude_output', 'qdq_restricted', 'qdq_no_adjust', 'qdq_calib_symmetric', 'qdq_nnapi'],
  ...['config_u8s8', 'config_u16s8_keep', 'qdq_u8s4_pc_contrib', 'qdq_u8u4_pt_contrib'],
  ...['qdq_blocked_s4', 'qdq_blocked_s8', 'qdq_blocked_s8_pc'],
  ...['qdq_override_convert', 'qdq_override_type', 'qdq_override_scale', 'qdq_override_range'],
]

export const DYNAMIC_SETS = ['dyn_s8_pt', 'dyn_s8_pc', 'dyn_u8_pt', 'dyn_s8_pc_rr', 'dyn_matmul_only']

export const QOPERATOR_SETS = [
  ...['qop_u8s8', 'qop_u8s8_pc', 'qop_u8u8_pt', 'qop_u8s8_rr', 'qop_s8s8_pt', 'qop_force', 'qop_nnapi'],
]

const CALIBRATOR = 'only the calibrator differs: calibration.golden.test.ts'

/** set → reason */
export const NOT_COMPARED: Readonly<Record<string, string>> = {
  qdq_moving_average: CALIBRATOR,
  qdq_moving_average_strided: CALIBRATOR,
}
