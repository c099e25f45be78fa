/* The stages of a study, in the order in which they run: the one list. STAGE(x) is facet_stage_x, defined by the
 * stage's own file. */
#ifndef FACET_STAGE_LIST_H
#define FACET_STAGE_LIST_H

#define FACET_STAGES(STAGE)                                                                                            \
  STAGE(training)                                                                                                      \
  STAGE(analyse)                                                                                                       \
  STAGE(encoder)                                                                                                       \
  STAGE(map)                                                                                                           \
  STAGE(judge)                                                                                                         \
  STAGE(timing)                                                                                                        \
  STAGE(summary)                                                                                                       \
  STAGE(columns)                                                                                                       \
  STAGE(compare)                                                                                                       \
  STAGE(similarity)                                                                                                    \
  STAGE(change)                                                                                                        \
  STAGE(groups)                                                                                                        \
  STAGE(pictures)                                                                                                      \
  STAGE(paths)                                                                                                         \
  STAGE(reach)                                                                                                         \
  STAGE(lines)                                                                                                         \
  STAGE(planes)                                                                                                        \
  STAGE(attributions)                                                                                                  \
  STAGE(census)                                                                                                        \
  STAGE(regions)                                                                                                       \
  STAGE(spectra)                                                                                                       \
  STAGE(angles)                                                                                                        \
  STAGE(cka)                                                                                                           \
  STAGE(findings)

#endif
