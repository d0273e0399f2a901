"""The paper's figures, each as data and a picture (Cazenavette et al., CVPR 2022, section 4)."""
