"""Other names of metrics, for error messages."""

__all__ = ["MEANT"]

_WORDS = {
    "1 - accuracy is error_rate": "accuracy acc top1 top1accuracy classificationaccuracy",
    "that is error_rate": "error zeroone zerooneloss 01loss misclassification top1error",
    "1 - top-k accuracy is top_k_error, as 'top_k_error?k=5'": "topk topkaccuracy top5 top5accuracy top5error",
    "1 - balanced accuracy is balanced_error": "balancedaccuracy uar meanrecall macrorecall balancederrorrate ber",
    "that is f_beta, as 'f_beta?beta=1'": "f1 f1score fscore fmeasure fbetascore",
    "that is f_beta, as 'f_beta?average=macro' (micro, weighted), of several labels label_f_beta": (
        "macrof1 microf1 f1macro f1micro f1weighted"
    ),
    "of several labels it is example_f_beta": "f1samples samplesf1 examplef1",
    "that is hamming_error": "hamming hammingloss hammingdistance",
    "1 - subset accuracy is subset_error": "subsetaccuracy exactmatch exactmatchratio subset01loss",
    "that is label_ranking_average_precision": "lrap labelrankingaverageprecisionscore",
    "it is one side of f_beta, which weighs recall against precision by beta; at a bound on the other there are "
    "precision_at_recall and recall_at_precision": "precision recall sensitivity tpr",
    "that is recall_at_precision": "recallatfixedprecision sensitivityatprecision",
    "that is precision_at_recall": "precisionatfixedrecall",
    "that is partial_roc_auc": "pauc partialauc partialauroc rocaucpartial maxfpr",
    "of pixels it is mean_iou, of examples jaccard": "iou miou intersectionoverunion jaccardindex jaccardscore",
    "that is f_beta of the pixels as examples; of whole images there is mean_iou": "dice dicescore dicecoefficient",
    "that is roc_auc": "auc auroc rocaucscore aucroc rocauc areaunderroc areaunderthecurve",
    "that is average_precision": "ap map auprc prauc aucpr averageprecisionscore meanaverageprecision",
    "of ordered levels it is mean_absolute_error, of numbers it is absolute_error": (
        "mae l1 absolutedeviation meanabsolutedeviation"
    ),
    "of numbers it is root_mean_squared_error, which orders models alike; of ordered levels there are "
    "mean_absolute_error and quadratic_weighted_kappa, of points normalised_mean_error": (
        "mse rmse meansquarederror rootmeansquareerror squarederror"
    ),
    "that is mean_absolute_percentage_error": "mape absolutepercentageerror percentageerror relativeerror",
    "that is r2": "r2score rsquared coefficientofdetermination explainedvariance",
    "that is concordance_index": "cindex concordance concordanceindexcensored harrellc harrellsc ci",
    "that is within_tolerance, as 'within_tolerance?tolerance=5', or within_relative_tolerance": (
        "tolerance withintolerance accuracywithintolerance hitrateoferrors"
    ),
    "that is interval_coverage, to be read beside interval_width": "coverage picp predictionintervalcoverage",
    "that is interval_width": "width mpiw meanwidth intervalmeanwidth",
    "that is interval_score": "winkler winklerscore",
    "that is a loss: jaxsurr.losses.pinball": "pinball pinballloss meanpinballloss quantileloss d2pinballscore",
    "that is matthews_correlation": "mcc matthewscorrcoef matthews phi phicoefficient",
    "of classes it is cohen_kappa, of ordered levels quadratic_weighted_kappa": "kappa cohenkappascore cohenskappa",
    "that is quadratic_weighted_kappa": "qwk weightedkappa quadratickappa",
    "that is expected_calibration_error": "ece calibration calibrationerror",
    "that is g_mean": "gmean geometricmean gmeanscore",
    "that is ndcg": "dcg ndcgscore ndcgatk normaliseddiscountedcumulativegain normalizeddiscountedcumulativegain",
    "that is recall_at_k, as 'recall_at_k?k=10'": "recallk hitrate hitratio hitsatk hitsk recallatk",
    "that is normalised_mean_error": "nme normalizedmeanerror mpjpe meanpointerror",
    "that is pck, with the head as scale": "pckh pckh05",
    "that is edit_distance": "levenshtein editdistance cer wer charactererrorrate worderrorrate",
    "that is within_one_level": "offbyone accuracyoffbyone withinone oneoff 1off accuracy1",
    "1 - token accuracy is token_error; of all steps of a set together pooled_token_error": (
        "tokenaccuracy taggingaccuracy tokenerrorrate"
    ),
    "that is exact_match": "sequenceaccuracy em exactmatchratio wholematch",
    "that is cost, as 'cost?matrix=FILE'": "costs costmatrix misclassificationcost expectedcost risk costsensitive",
    "that is example_cost, or example_regret beyond the cheapest decisions, of targets [B, K] of costs": (
        "costloss exampledependentcost exampledependentcosts regret savings savingsscore meancost"
    ),
    "that is a loss: jaxsurr.losses.cross_entropy": "crossentropy nll logloss ce bce negativeloglikelihood",
}

MEANT = {word: sentence for sentence, words in _WORDS.items() for word in words.split()}
"""Meaning of a word in lower case without punctuation."""
