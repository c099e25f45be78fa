/* For src/linear: what goes back through a network where nodes hand down something else than their gradient, by a rule
 * for each kind of node, in double and apart from the executor.
 *
 *   layer-wise relevance propagation (LRP): a node with output z hands the relevance R of z on to its inputs u_j in
 *     proportion to their parts of it: R_j = u_j sum_i w_ij R_i / (z_i + epsilon sign z_i), with what constants add to
 * z kept back.  A gate hands it on whole, a maximum to who won.  LRP-gamma has weights w + gamma max(w, 0) in linear
 *     nodes, of the layer's own u (Bach et al. 2015; Montavon et al. 2019; as captum.attr.LRP).
 *   DeepLIFT, the rescale rule: a gate hands on the slope of the secant between baseline and sample; a maximum gives
 * the change of its output to those who won at either (Shrikumar et al. 2017; as captum.attr.DeepLift). Grad-CAM: the
 * gradient as far down as the last convolution (Selvaraju et al. 2017; as captum.attr.LayerGradCam). */
#ifndef FACET_RULES_H
#define FACET_RULES_H

#include "net.h"

typedef struct facet_rules facet_rules; /* its memory: all values of a sample, three times */

/* The network must outlive it. gamma: at least 0. Caller destroys. */
facet_status facet_rules_create(const facet_network *network, double gamma, facet_rules **rules);
void facet_rules_destroy(facet_rules **rules);
/* As facet_executor_pauses. */
void facet_rules_pauses(facet_rules *rules, facet_status (*pause)(void *context), void *context);

/* x, relevance: D, in the network's input order. Begins with the logit of the row. raised: with gamma, else without. */
facet_status facet_rules_lrp(facet_rules *rules, const double *x, double epsilon, bool raised, int32_t row,
                             double *relevance);
/* (x - baseline) times the multipliers. */
facet_status facet_rules_deeplift(facet_rules *rules, const double *x, const double *baseline, int32_t row,
                                  double *attribution);
/* The last convolution's map: its channels times the means of their gradients, added up, and 0 where that is negative.
 * Its size is that of facet_rules_map, whose rank is 0 where the network has no convolution: FACET_INTERNAL then. */
facet_shape facet_rules_map(const facet_rules *rules);
facet_status facet_rules_gradcam(facet_rules *rules, const double *x, int32_t row, double *map);

#endif
