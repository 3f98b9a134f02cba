"""Other names of losses, for error messages."""

__all__ = ["MEANT"]

_WORDS = {
    "that is cross_entropy": "ce nll nllloss logloss softmax softmaxcrossentropy categoricalcrossentropy",
    "of one logit for two classes it is binary_cross_entropy, of several labels label_cross_entropy, of logits of "
    "P(level > k) or_cnn": (
        "bce bcewithlogits bcewithlogitsloss binarycrossentropy sigmoidbinarycrossentropy sigmoid logistic"
    ),
    "of one logit it is binary_focal, of logits of classes focal": "focalloss sigmoidfocal sigmoidfocalloss",
    "of points it is mse, of numbers and of one score in levels squared_error": "l2 l2loss meansquarederror mseloss",
    "of points it is l1, of numbers and of one score in levels absolute_error, of logits of levels "
    "expected_absolute_error": "mae meanabsoluteerror l1loss maeloss",
    "of numbers it is huber, of points smooth_l1": "huberloss smoothl1loss",
    "that is log_cosh": "logcosh logcoshloss",
    "that is pinball, as 'pinball?tau=0.9'": "quantile quantileloss pinballloss",
    "that is interval_score": "winkler winklerscore",
    "that is cox": "coxph coxphloss partiallikelihood deepsurv proportionalhazards",
    "pairwise_concordance approaches it": "concordance concordanceindex cindex",
    "that is generalised_cross_entropy": "gce generalizedcrossentropy",
    "that is squared_emd": "emd wasserstein earthmover",
    "that is quadratic_weighted_kappa": "qwk kappa weightedkappa",
    "that is soft_f_beta, of several labels soft_label_f_beta": "dice softdice diceloss f1 fbeta softf1",
    "that is asymmetric": "asl asymmetricloss asymmetricfocal",
    "that is label_cross_entropy": "multilabelsoftmargin multilabelsoftmarginloss multilabelcrossentropy",
    "auc_margin and pairwise_auc approach it": "auc rocauc aucroc",
    "that is smooth_average_precision": "ap map averageprecision smoothap",
    "that is list_logistic": "ranknet pairwiselogistic",
    "the nearest are list_softmax and list_logistic": "listnet ndcg lambdarank lambdaloss listmle",
    "of ordered levels there are coral, corn, or_cnn and sord": "ordinal ordinalregression",
}

MEANT = {word: sentence for sentence, words in _WORDS.items() for word in words.split()}
"""Meaning of a word in lower case without punctuation."""
