"""Text before it is spoken: cleaning, scripts and languages, writing symbols out, segmentation."""
